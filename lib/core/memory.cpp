#include "lib/core/memory.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "lib/core/error.h"
#if EET_HAVE_CUDA
#include "lib/cuda/cuda_memory.h"
#endif

namespace eet {
namespace {

constexpr size_t kAlignment = 256;

void* allocate_host(size_t bytes) {
  return std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

[[noreturn]] void throw_out_of_memory(const char* where, size_t bytes, const char* what,
                                      const std::string& detail) {
  throw Error(concat("out of ", where, " memory: ", what, " needs ", bytes >> 20, " MiB", detail,
                     "; lower --max-num-seqs, --max-num-batched-tokens or --max-model-len"));
}

}  // namespace

Buffer::~Buffer() {
#if EET_HAVE_CUDA
  if (place_ == Place::kDevice) cuda::free_device(data_);
  if (place_ == Place::kPinned) cuda::free_pinned(data_);
#endif
  if (place_ == Place::kHost) std::free(data_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      place_(other.place_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(place_, other.place_);
  return *this;
}

Buffer allocate(const Context& ctx, size_t bytes, const char* what) {
  if (bytes == 0) return {};
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) {
    try {
      return {cuda::allocate_device(bytes), bytes, Buffer::Place::kDevice};
    } catch (const std::exception& error) {
      throw_out_of_memory("device", bytes, what, concat(" (", error.what(), ")"));
    }
  }
#endif
  (void)ctx;
  void* data = allocate_host(bytes);
  if (data == nullptr) throw_out_of_memory("host", bytes, what, "");
  return {data, bytes, Buffer::Place::kHost};
}

Buffer allocate_staging(const Context& ctx, size_t bytes, const char* what) {
#if EET_HAVE_CUDA
  if (ctx.on_cuda() && bytes > 0) {
    try {
      return {cuda::allocate_pinned(bytes), bytes, Buffer::Place::kPinned};
    } catch (const std::exception& error) {
      throw_out_of_memory("pinned host", bytes, what, concat(" (", error.what(), ")"));
    }
  }
#endif
  return allocate(Context{.device = {}, .pool = ctx.pool}, bytes, what);
}

void upload(const Context& ctx, void* device_out, const void* host_in, size_t bytes) {
  if (bytes == 0) return;
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) return cuda::upload(*ctx.cuda, device_out, host_in, bytes);
#endif
  (void)ctx;
  std::memcpy(device_out, host_in, bytes);
}

void download(const Context& ctx, void* host_out, const void* device_in, size_t bytes) {
  if (bytes == 0) return;
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) return cuda::download(*ctx.cuda, host_out, device_in, bytes);
#endif
  (void)ctx;
  std::memcpy(host_out, device_in, bytes);
}

void copy_rows(const Context& ctx, void* device_out, const void* device_in, size_t row_bytes,
               size_t stride, int64_t rows) {
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) {
    return cuda::copy_rows(*ctx.cuda, device_out, device_in, row_bytes, stride, rows);
  }
#endif
  (void)ctx;
  for (int64_t row = 0; row < rows; ++row) {
    const size_t offset = static_cast<size_t>(row) * stride;
    std::memcpy(static_cast<std::byte*>(device_out) + offset,
                static_cast<const std::byte*>(device_in) + offset, row_bytes);
  }
}

void fill_bytes(const Context& ctx, void* device_out, int byte, size_t bytes) {
  if (bytes == 0) return;
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) return cuda::fill_bytes(*ctx.cuda, device_out, byte, bytes);
#endif
  (void)ctx;
  std::memset(device_out, byte, bytes);
}

void synchronize(const Context& ctx) {
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) cuda::synchronize(*ctx.cuda);
#endif
  (void)ctx;
}

Fence::Fence(const Context& ctx, bool timed) : ctx_(ctx) {
#if EET_HAVE_CUDA
  if (ctx.on_cuda()) event_ = cuda::create_event(timed);
#endif
  (void)timed;
}

Fence::~Fence() {
#if EET_HAVE_CUDA
  if (event_ != nullptr) cuda::destroy_event(event_);
#endif
}

void Fence::record() {
#if EET_HAVE_CUDA
  if (event_ != nullptr) cuda::record_event(*ctx_.cuda, event_);
#endif
  (void)ctx_;
}

void Fence::wait() const {
#if EET_HAVE_CUDA
  if (event_ != nullptr) cuda::wait_event(event_);
#endif
  (void)event_;
}

double Fence::seconds_since(const Fence& earlier) const {
#if EET_HAVE_CUDA
  if (event_ != nullptr) return cuda::seconds_between(earlier.event_, event_);
#endif
  (void)earlier;
  return 0;
}

}  // namespace eet
