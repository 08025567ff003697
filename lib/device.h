// Choosing a device and opening it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "lib/core/context.h"

namespace eet {

// CUDA's versions as "13.0"; empty in a build without CUDA, and the driver's also where there is
// none.
struct CudaVersions {
  std::string runtime;
  std::string driver;
};
CudaVersions cuda_versions();

// A device's context with everything behind it.
class OpenDevice {
 public:
  // `name`: auto (CUDA where it can be used), cpu, cuda or cuda:N. Throws Error saying what is
  // missing when CUDA is asked for and cannot be used.
  OpenDevice(const std::string& name, int num_threads);
  ~OpenDevice();
  OpenDevice(const OpenDevice&) = delete;
  OpenDevice& operator=(const OpenDevice&) = delete;

  const Context& context() const { return context_; }
  std::string description() const;  // "NVIDIA H100 80GB HBM3", "CPU, 2 threads, avx512"
  // Devices of one kind give the same bits: the GPU's model, or the CPU's instruction set.
  std::string kind() const;

  // Memory that can still be taken, and all there is: the GPU's, or the host's.
  struct Memory {
    int64_t free_bytes = 0;
    int64_t total_bytes = 0;
  };
  Memory memory() const;

  // Device memory that the context itself holds for its operations.
  int64_t workspace_bytes() const;

 private:
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<CudaContext> cuda_;
  Context context_;
};

}  // namespace eet
