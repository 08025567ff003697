#include "lib/cuda/cuda_memory.h"

#include "kernels/cuda_check.h"
#include "lib/cuda/cuda_context.h"

namespace eet::cuda {
namespace {

// Turns "not enough memory" into OutOfMemory, any other failure into CudaError.
void check_allocation(cudaError_t status, const char* call, int line) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an allocation that failed must not surface at the next launch check
  if (status == cudaErrorMemoryAllocation) throw OutOfMemory();
  throw CudaError(status, call, __FILE__, line);
}

cudaEvent_t as_event(void* event) {
  return static_cast<cudaEvent_t>(event);
}

}  // namespace

void* allocate_device(size_t bytes) {
  void* memory = nullptr;
  if (bytes > 0) check_allocation(cudaMalloc(&memory, bytes), "cudaMalloc", __LINE__);
  return memory;
}

void free_device(void* memory) noexcept {
  cudaFree(memory);
}

void* allocate_pinned(size_t bytes) {
  void* memory = nullptr;
  if (bytes > 0) {
    check_allocation(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), "cudaHostAlloc",
                     __LINE__);
  }
  return memory;
}

void free_pinned(void* memory) noexcept {
  cudaFreeHost(memory);
}

void upload(const CudaContext& context, void* device_out, const void* host_in, size_t bytes) {
  CUDA_CHECK(cudaMemcpyAsync(device_out, host_in, bytes, cudaMemcpyHostToDevice, context.stream()));
}

void download(const CudaContext& context, void* host_out, const void* device_in, size_t bytes) {
  CUDA_CHECK(cudaMemcpyAsync(host_out, device_in, bytes, cudaMemcpyDeviceToHost, context.stream()));
}

void copy_rows(const CudaContext& context, void* device_out, const void* device_in,
               size_t row_bytes, size_t stride, int64_t rows) {
  constexpr size_t kMaxPitch = 0x7FFFFFFF;  // of cudaMemcpy2DAsync
  if (stride <= kMaxPitch) {
    CUDA_CHECK(cudaMemcpy2DAsync(device_out, stride, device_in, stride, row_bytes,
                                 static_cast<size_t>(rows), cudaMemcpyDeviceToDevice,
                                 context.stream()));
    return;
  }
  for (int64_t row = 0; row < rows; ++row) {
    const size_t offset = static_cast<size_t>(row) * stride;
    CUDA_CHECK(cudaMemcpyAsync(static_cast<std::byte*>(device_out) + offset,
                               static_cast<const std::byte*>(device_in) + offset, row_bytes,
                               cudaMemcpyDeviceToDevice, context.stream()));
  }
}

void fill_bytes(const CudaContext& context, void* device_out, int byte, size_t bytes) {
  CUDA_CHECK(cudaMemsetAsync(device_out, byte, bytes, context.stream()));
}

void synchronize(const CudaContext& context) {
  CUDA_CHECK(cudaStreamSynchronize(context.stream()));
}

void* create_event(bool timed) {
  cudaEvent_t event = nullptr;
  CUDA_CHECK(cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming));
  return event;
}

void record_event(const CudaContext& context, void* event) {
  CUDA_CHECK(cudaEventRecord(as_event(event), context.stream()));
}

void wait_event(void* event) {
  CUDA_CHECK(cudaEventSynchronize(as_event(event)));
}

double seconds_between(void* earlier, void* later) {
  float milliseconds = 0;
  CUDA_CHECK(cudaEventElapsedTime(&milliseconds, as_event(earlier), as_event(later)));
  return 1e-3 * static_cast<double>(milliseconds);
}

void destroy_event(void* event) noexcept {
  if (event != nullptr) cudaEventDestroy(as_event(event));
}

}  // namespace eet::cuda
