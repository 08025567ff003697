#include "lib/ceilings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "lib/core/memory.h"
#include "lib/core/tensor_view.h"
#include "lib/ops/cpu/simd.h"
#include "lib/ops/ops.h"
#if EET_HAVE_CUDA
#include "kernels/cuda_check.h"
#include "kernels/partial_sums.h"
#include "lib/cuda/cuda_context.h"
#endif

namespace eet {
namespace {

int64_t last_cache_bytes(const Context& ctx) {
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) {
    int bytes = 0;
    CUDA_CHECK(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, ctx.device.index));
    return bytes;
  }
#endif
  (void)ctx;
  return std::max<int64_t>({0, ::sysconf(_SC_LEVEL2_CACHE_SIZE), ::sysconf(_SC_LEVEL3_CACHE_SIZE)});
}

constexpr int64_t kCudaBytes = int64_t{1} << 30;
constexpr int64_t kCpuBytes = int64_t{256} << 20;
constexpr int64_t kChunkBytes = int64_t{1} << 20;  // of one task on the CPU
constexpr int64_t kChunkElements = kChunkBytes / static_cast<int64_t>(sizeof(float));

// Where the rate of square products levels off: bf16 on an H100 at 8192 (4096: 10 % less), fp32 on
// CPUs already at 1024.
constexpr int64_t kCudaProductSize = 8192;
constexpr int64_t kCpuProductSize = 1024;

double seconds_of(const Context& ctx, int calls, const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < calls; ++i) call();
  synchronize(ctx);
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Calls that take about so long, after two: pages are touched then, algorithms chosen, clocks
// raised.
int calls_in(const Context& ctx, double seconds, const std::function<void()>& call) {
  constexpr double kMaxCalls = 1e5;
  seconds_of(ctx, 1, call);
  const double once = std::max(seconds_of(ctx, 1, call), 1e-9);
  return static_cast<int>(std::clamp(std::ceil(seconds / once), 1.0, kMaxCalls));
}

// Seconds of one call: the median of several rounds.
double seconds_per_call(const Context& ctx, const std::function<void()>& call) {
  constexpr int kRounds = 5;
  constexpr double kRoundSeconds = 0.05;  // long enough that issuing calls does not count
  const int calls = calls_in(ctx, kRoundSeconds, call);
  std::array<double, kRounds> rounds{};
  for (double& seconds : rounds) seconds = seconds_of(ctx, calls, call) / calls;
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

// The same of work that lasts and drives a GPU to its power limit, where the clock swings around
// what it settles at: the mean of three seconds, after one. On an H100 the bf16 product took 1514
// us in the first half second, then 1667, 1552, 1667, 1596, 1617, 1636 and 1589. The medians of the
// first five, of 12 programs, lie 3 % apart, these means of six programs 0.6 %.
double lasting_seconds_per_call(const Context& ctx, const std::function<void()>& call) {
  constexpr int kMeasuredSeconds = 3;
  const int calls = calls_in(ctx, 1.0, call);
  seconds_of(ctx, calls, call);
  return seconds_of(ctx, kMeasuredSeconds * calls, call) / (kMeasuredSeconds * calls);
}

// How many numbers the read loop leaves behind.
int64_t num_partial_sums(const Context& ctx, int64_t count) {
#if EET_HAVE_CUDA
  constexpr int64_t kBlocksPerMultiprocessor = 8;  // of 256 threads: all that it can hold
  if (ctx.on_cuda()) return ctx.cuda->num_multiprocessors() * kBlocksPerMultiprocessor;
#endif
  (void)ctx;
  return (count + kChunkElements - 1) / kChunkElements;
}

void read_memory(const Context& ctx, float* partial_sums, const float* elements, int64_t count) {
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) {
    kernels::partial_sums(partial_sums, elements, count,
                          static_cast<int>(num_partial_sums(ctx, count)), ctx.cuda->stream());
    return;
  }
#endif
  ctx.pool->parallel_for(num_partial_sums(ctx, count), [&](int64_t chunk) {
    const int64_t begin = chunk * kChunkElements;
    partial_sums[chunk] =
        simd::kernels().sum(elements + begin, std::min(kChunkElements, count - begin));
  });
}

void copy_memory(const Context& ctx, std::byte* to, const std::byte* from, int64_t bytes) {
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) {
    CUDA_CHECK(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice,
                               ctx.cuda->stream()));
    return;
  }
#endif
  ctx.pool->parallel_for(bytes / kChunkBytes, [&](int64_t chunk) {
    std::memcpy(to + chunk * kChunkBytes, from + chunk * kChunkBytes, kChunkBytes);
  });
}

void measure_memory(const Context& ctx, Ceilings& ceilings) {
  const int64_t bytes = ctx.on_cuda() ? kCudaBytes : kCpuBytes;
  const int64_t count = bytes / static_cast<int64_t>(sizeof(float));
  const Buffer from = allocate(ctx, bytes, "the memory benchmark");
  const Buffer to = allocate(ctx, bytes, "the memory benchmark");
  ops::fill_normal(ctx, {from.data(), DType::kF32, {count}}, 0.0F, 1.0F, 1);
  const double copy_seconds = seconds_per_call(
      ctx, [&] { copy_memory(ctx, to.as<std::byte>(), from.as<std::byte>(), bytes); });
  const double read_seconds =
      seconds_per_call(ctx, [&] { read_memory(ctx, to.as<float>(), from.as<float>(), count); });
  ceilings.copy_bytes_per_second = 2.0 * static_cast<double>(bytes) / copy_seconds;
  ceilings.read_bytes_per_second = static_cast<double>(bytes) / read_seconds;
}

void measure_product(const Context& ctx, DType dtype, Ceilings& ceilings) {
  const int64_t size = ctx.on_cuda() ? kCudaProductSize : kCpuProductSize;
  std::vector<Buffer> buffers;
  const auto random_matrix = [&](uint64_t seed) {
    TensorView matrix(nullptr, dtype, {size, size});
    buffers.push_back(allocate(ctx, matrix.bytes(), "the matrix product benchmark"));
    matrix.data = buffers.back().data();
    ops::fill_normal(ctx, matrix, 0.0F, 1.0F, seed);
    return matrix;
  };
  const TensorView x = random_matrix(2);
  const TensorView out = random_matrix(3);
  const LinearWeight weight{
      .data = random_matrix(4), .in_features = size, .out_features = size, .padded_out = size};
  const auto multiply = [&] { ops::linear(ctx, out, x, weight, {}); };
  const double seconds =
      ctx.on_cuda() ? lasting_seconds_per_call(ctx, multiply) : seconds_per_call(ctx, multiply);
  ceilings.product_size = size;
  ceilings.flops_per_second = 2.0 * std::pow(static_cast<double>(size), 3) / seconds;
}

}  // namespace

Ceilings measure_ceilings(const Context& ctx, DType dtype) {
  Ceilings ceilings;
  ceilings.cache_bytes = last_cache_bytes(ctx);
  measure_memory(ctx, ceilings);
  measure_product(ctx, dtype, ceilings);
  return ceilings;
}

double sum_elements(const Context& ctx, const float* elements, int64_t count) {
  std::vector<float> sums(num_partial_sums(ctx, count));
  const Buffer buffer = allocate(ctx, sums.size() * sizeof(float), "partial sums");
  read_memory(ctx, buffer.as<float>(), elements, count);
  download(ctx, sums.data(), buffer.data(), buffer.bytes());
  synchronize(ctx);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace eet
