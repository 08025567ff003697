// What the benchmarks share: a clock, operands that are not in L2, and the device's own ceilings.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/cuda_check.h"
#include "lib/core/memory.h"
#include "lib/cuda/cuda_context.h"
#include "lib/ops/ops.h"

namespace eet {

// Adds up a buffer, 16 bytes per thread and load: the read ceiling.
static __global__ void read_kernel(float* out, const float4* in, int64_t count) {
  float sum = 0.0F;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
#pragma unroll 8
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += stride) {
    const float4 v = in[i];
    sum += v.x + v.y + v.z + v.w;
  }
  if (sum == 12345.0F) *out = sum;  // never: keeps the loads
}

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

struct MemoryCeilings {
  double copy_bytes_per_second = 0;
  double read_bytes_per_second = 0;
};

inline MemoryCeilings measure_memory_ceilings(const Context& ctx) {
  constexpr int64_t kBytes = int64_t{1} << 30;
  const Buffer from = allocate(ctx, kBytes, "bench source");
  const Buffer to = allocate(ctx, kBytes, "bench target");
  fill_bytes(ctx, from.data(), 1, kBytes);
  cudaStream_t stream = ctx.cuda->stream();
  MemoryCeilings ceilings;
  ceilings.copy_bytes_per_second = 2.0 * kBytes / seconds_per_call(ctx, [&](int) {
                                     CUDA_CHECK(cudaMemcpyAsync(to.data(), from.data(), kBytes,
                                                                cudaMemcpyDeviceToDevice, stream));
                                   });
  ceilings.read_bytes_per_second =
      1.0 * kBytes / seconds_per_call(ctx, [&](int) {
        read_kernel<<<ctx.cuda->num_multiprocessors() * 8, 256, 0, stream>>>(
            to.as<float>(), from.as<float4>(), kBytes / static_cast<int64_t>(sizeof(float4)));
        CUDA_CHECK_LAUNCH();
      });
  return ceilings;
}

}  // namespace eet
