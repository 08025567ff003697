// What the benchmarks share: a clock, operands that are not in L2, a line of the ceilings
// and the main program.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <vector>

#include "kernels/cuda_check.h"
#include "lib/ceilings.h"
#include "lib/core/error.h"
#include "lib/core/memory.h"
#include "lib/core/thread_pool.h"
#include "lib/cuda/cuda_context.h"
#include "lib/ops/ops.h"

namespace eet {

// Seconds of one call, as they are inside a CUDA graph of `calls`: the median of several launches.
// call(i) may pick the i-th of several copies of its operands, so that they are not in L2.
inline double seconds_per_call(const Context& ctx, const std::function<void(int)>& call,
                               int calls = 48) {
  constexpr int kRepeats = 11;
  cudaStream_t stream = ctx.cuda->stream();
  call(0);  // plans are made outside the capture
  synchronize(ctx);
  CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  for (int i = 0; i < calls; ++i) call(i);
  cudaGraph_t graph = nullptr;
  CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
  cudaGraphExec_t executable = nullptr;
  CUDA_CHECK(cudaGraphInstantiate(&executable, graph, 0));
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  CUDA_CHECK(cudaEventCreate(&begin));
  CUDA_CHECK(cudaEventCreate(&end));
  std::vector<double> seconds;
  for (int repeat = 0; repeat <= kRepeats; ++repeat) {
    CUDA_CHECK(cudaEventRecord(begin, stream));
    CUDA_CHECK(cudaGraphLaunch(executable, stream));
    CUDA_CHECK(cudaEventRecord(end, stream));
    CUDA_CHECK(cudaEventSynchronize(end));
    float milliseconds = 0;
    CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin, end));
    if (repeat > 0) seconds.push_back(milliseconds * 1e-3 / calls);  // the first warms up
  }
  CUDA_CHECK(cudaEventDestroy(begin));
  CUDA_CHECK(cudaEventDestroy(end));
  CUDA_CHECK(cudaGraphExecDestroy(executable));
  CUDA_CHECK(cudaGraphDestroy(graph));
  std::nth_element(seconds.begin(), seconds.begin() + kRepeats / 2, seconds.end());
  return seconds[kRepeats / 2];
}

// Several copies of a random tensor, more bytes together than L2 holds.
class Rotated {
 public:
  Rotated(const Context& ctx, DType type, std::initializer_list<int64_t> shape, float stddev)
      : view_(nullptr, type, shape) {
    constexpr int64_t kEnoughBytes = 192 << 20;
    const int64_t copies = std::clamp<int64_t>(kEnoughBytes / view_.bytes(), 1, 48);
    for (int64_t i = 0; i < copies; ++i) {
      buffers_.push_back(allocate(ctx, static_cast<size_t>(view_.bytes()), "bench tensor"));
      ops::fill_normal(ctx, view(static_cast<int>(i)), 0.0F, stddev, static_cast<uint64_t>(i));
    }
  }
  TensorView view(int i) const {
    TensorView copy = view_;
    copy.data = buffers_[static_cast<size_t>(i) % buffers_.size()].data();
    return copy;
  }

 private:
  TensorView view_;
  std::vector<Buffer> buffers_;
};

// int32 values on the device.
inline Buffer upload_ints(const Context& ctx, const std::vector<int32_t>& values) {
  Buffer buffer = allocate(ctx, values.size() * sizeof(int32_t), "bench indices");
  upload(ctx, buffer.data(), values.data(), buffer.bytes());
  synchronize(ctx);
  return buffer;
}

inline void print_ceilings(const Context& ctx, const Ceilings& ceilings) {
  std::printf("%s: copy %.0f GB/s, read %.0f GB/s, bf16 GEMM 8192^3 %.0f TFLOP/s\n",
              ctx.cuda->device_name().c_str(), ceilings.copy_bytes_per_second / 1e9,
              ceilings.read_bytes_per_second / 1e9, ceilings.flops_per_second / 1e12);
}

// The main program of the benchmark `name`: its exit code.
inline int run_bench(const char* name, void (*run)(const Context& ctx)) {
  try {
    if (const auto reason = why_cuda_is_unavailable()) throw Error(*reason);
    ThreadPool pool(1);
    CudaContext cuda(0);
    run({.device = {.kind = Device::Kind::kCuda, .index = 0}, .pool = &pool, .cuda = &cuda});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return 1;
  }
}

}  // namespace eet
