// Device and pinned memory, copies and events: what lib/core/memory.cpp is made of on CUDA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace eet {

class CudaContext;

namespace cuda {

// The device (or, for pinned memory, the host) cannot give this much; the caller knows what for.
class OutOfMemory : public std::bad_alloc {
 public:
  const char* what() const noexcept override { return "out of CUDA device or pinned memory"; }
};

// On the current device, aligned to 256 bytes. Null for 0 bytes. Throws OutOfMemory.
void* allocate_device(size_t bytes);
void free_device(void* memory) noexcept;

// Page-locked host memory, usable from every device. Null for 0 bytes. Throws OutOfMemory.
void* allocate_pinned(size_t bytes);
void free_pinned(void* memory) noexcept;

// In stream order; the host side must stay until the copy is done.
void upload(const CudaContext& context, void* device_out, const void* host_in, size_t bytes);
void download(const CudaContext& context, void* host_out, const void* device_in, size_t bytes);
void copy_rows(const CudaContext& context, void* device_out, const void* device_in,
               size_t row_bytes, size_t stride, int64_t rows);
void fill_bytes(const CudaContext& context, void* device_out, int byte, size_t bytes);

// Waits for everything issued on the context's stream; errors of kernels surface here.
void synchronize(const CudaContext& context);

// wait_event blocks the host until the work before its last record is done, and returns at once
// where it was never recorded.
void* create_event(bool timed);
void record_event(const CudaContext& context, void* event);
void wait_event(void* event);
// Of two timed events whose work is done.
double seconds_between(void* earlier, void* later);
void destroy_event(void* event) noexcept;

}  // namespace cuda
}  // namespace eet
