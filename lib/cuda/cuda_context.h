// One CUDA device as operations use it: its stream, its matrix products, its limits.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace eet {

class CublasLt;  // lib/cuda/cublas_lt.h

// Why no CUDA device can be used on this machine ("no NVIDIA driver was found (...)"), or nothing
// where one can. Never throws for want of a driver or a GPU.
std::optional<std::string> why_cuda_is_unavailable();

// A stream that is destroyed with its owner.
class CudaStream {
 public:
  CudaStream();
  ~CudaStream();
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// A selected device. The thread that makes it has the device current; any other thread that uses it
// calls make_current() first.
class CudaContext {
 public:
  // Throws Error when there is no such device, or its compute capability is below 8.0.
  explicit CudaContext(int device_index);
  ~CudaContext();
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  void make_current() const;

  cudaStream_t stream() const { return stream_->get(); }
  CublasLt& blas() const { return *blas_; }

  int device_index() const { return device_index_; }
  const std::string& device_name() const { return device_name_; }
  int compute_capability() const { return compute_capability_; }  // 10 * major + minor
  int num_multiprocessors() const { return num_multiprocessors_; }

  struct MemoryInfo {
    size_t free_bytes = 0;
    size_t total_bytes = 0;
  };
  // The whole device's, other programs' use included.
  MemoryInfo memory_info() const;

 private:
  int device_index_ = 0;
  std::string device_name_;
  int compute_capability_ = 0;
  int num_multiprocessors_ = 0;
  std::unique_ptr<CudaStream> stream_;  // made once the device is current
  std::unique_ptr<CublasLt> blas_;
};

}  // namespace eet
