// Captured work, launched as one.
#pragma once

#include <cuda_runtime.h>

#include <functional>

namespace eet {

class CudaContext;

class CudaGraph {
 public:
  // Captures what `issue` puts on the context's stream; nothing of it runs yet. `issue` must not
  // allocate, synchronise or use another stream.
  CudaGraph(const CudaContext& context, const std::function<void()>& issue);
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  void launch(const CudaContext& context) const;

 private:
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace eet
