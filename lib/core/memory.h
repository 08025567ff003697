// Owned memory on the host or on a device, and copies between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "lib/core/context.h"

namespace eet {

// One line of the memory plan.
struct MemoryItem {
  std::string name;
  int64_t bytes = 0;
};

// Move-only memory; freed when it goes. Alignment is 256 bytes.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  friend Buffer allocate(const Context&, size_t, const char*);
  friend Buffer allocate_staging(const Context&, size_t, const char*);
  enum class Place { kHost, kPinned, kDevice };
  Buffer(void* data, size_t bytes, Place place) : data_(data), bytes_(bytes), place_(place) {}

  void* data_ = nullptr;
  size_t bytes_ = 0;
  Place place_ = Place::kHost;
};

// Memory that operations of `ctx` work on. Throws Error naming `what` and the bytes when there is
// not enough.
Buffer allocate(const Context& ctx, size_t bytes, const char* what);

// Host memory that copies to and from the device at full speed (pinned on CUDA).
Buffer allocate_staging(const Context& ctx, size_t bytes, const char* what);

// Copies host -> device and device -> host, in stream order. On CUDA the host side must stay as it
// is until a fence recorded after the copy has passed; on the CPU they are memcpy.
void upload(const Context& ctx, void* device_out, const void* host_in, size_t bytes);
void download(const Context& ctx, void* host_out, const void* device_in, size_t bytes);
// Copies `rows` runs of `row_bytes`, each `stride` bytes behind the one before, within the device's
// memory and in stream order. They do not overlap.
void copy_rows(const Context& ctx, void* device_out, const void* device_in, size_t row_bytes,
               size_t stride, int64_t rows);

void fill_bytes(const Context& ctx, void* device_out, int byte, size_t bytes);

// Waits until everything issued on `ctx` is done.
void synchronize(const Context& ctx);

// A point in the stream that the host can wait for. On the CPU always passed.
class Fence {
 public:
  // With `timed`, seconds_since() may be asked for.
  explicit Fence(const Context& ctx, bool timed = false);
  ~Fence();
  Fence(const Fence&) = delete;
  Fence& operator=(const Fence&) = delete;
  void record();
  void wait() const;

  // How much later the device passed this point than `earlier`, both timed, recorded and passed; 0
  // on the CPU.
  double seconds_since(const Fence& earlier) const;

 private:
  const Context& ctx_;
  void* event_ = nullptr;
};

}  // namespace eet
