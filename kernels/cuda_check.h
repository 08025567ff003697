// Every CUDA call's return code is checked; a failure is a CudaError naming call, file and line.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace eet {

class CudaError : public std::runtime_error {
 public:
  CudaError(cudaError_t code, const char* call, const char* file, int line)
      : std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + call + ": " +
                           cudaGetErrorName(code) + ": " + cudaGetErrorString(code)),
        code_(code) {}
  cudaError_t code() const { return code_; }

 private:
  cudaError_t code_;
};

}  // namespace eet

#define CUDA_CHECK(call)                                                  \
  do {                                                                    \
    const cudaError_t eet_cuda_status = (call);                           \
    if (eet_cuda_status != cudaSuccess)                                   \
      throw ::eet::CudaError(eet_cuda_status, #call, __FILE__, __LINE__); \
  } while (0)

// After every launch: reports a bad launch configuration at its place.
#define CUDA_CHECK_LAUNCH() CUDA_CHECK(cudaGetLastError())
