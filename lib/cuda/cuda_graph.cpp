#include "lib/cuda/cuda_graph.h"

#include "kernels/cuda_check.h"
#include "lib/cuda/cuda_context.h"

namespace eet {

CudaGraph::CudaGraph(const CudaContext& context, const std::function<void()>& issue) {
  CUDA_CHECK(cudaStreamBeginCapture(context.stream(), cudaStreamCaptureModeThreadLocal));
  cudaGraph_t graph = nullptr;
  try {
    issue();
  } catch (...) {
    cudaStreamEndCapture(context.stream(), &graph);
    cudaGraphDestroy(graph);
    throw;
  }
  CUDA_CHECK(cudaStreamEndCapture(context.stream(), &graph));
  const cudaError_t status = cudaGraphInstantiate(&executable_, graph, 0);
  cudaGraphDestroy(graph);
  CUDA_CHECK(status);
}

CudaGraph::~CudaGraph() {
  cudaGraphExecDestroy(executable_);
}

void CudaGraph::launch(const CudaContext& context) const {
  CUDA_CHECK(cudaGraphLaunch(executable_, context.stream()));
}

}  // namespace eet
