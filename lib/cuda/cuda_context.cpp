#include "lib/cuda/cuda_context.h"

#include "kernels/cuda_check.h"
#include "lib/core/error.h"
#include "lib/cuda/cublas_lt.h"

namespace eet {
namespace {

constexpr int kMinComputeCapability = 80;

}  // namespace

std::optional<std::string> why_cuda_is_unavailable() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return std::nullopt;
  cudaGetLastError();  // the failure must not surface at the next launch check
  const std::string code =
      status == cudaSuccess ? "no device listed" : std::string(cudaGetErrorName(status));
  int driver_version = 0;
  cudaDriverGetVersion(&driver_version);  // 0 where there is no driver
  cudaGetLastError();
  if (driver_version == 0) {
    return concat("no NVIDIA driver was found (", code,
                  "); install one, or run on the CPU with --device cpu");
  }
  if (status == cudaErrorInsufficientDriver) {
    return concat("the NVIDIA driver is too old (", code, "): it supports CUDA ",
                  driver_version / 1000, ".", driver_version % 1000 / 10,
                  ", and this program was built with CUDA ", CUDART_VERSION / 1000, ".",
                  CUDART_VERSION % 1000 / 10, "; update the driver, or use --device cpu");
  }
  if (status == cudaSuccess || status == cudaErrorNoDevice) {
    return concat("the NVIDIA driver lists no GPU (", code,
                  "); check nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu");
  }
  return concat("CUDA does not start (", code, ": ", cudaGetErrorString(status),
                "); check nvidia-smi, or use --device cpu");
}

CudaStream::CudaStream() {
  CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
}

CudaStream::~CudaStream() {
  cudaStreamDestroy(stream_);
}

CudaContext::CudaContext(int device_index) : device_index_(device_index) {
  if (const auto reason = why_cuda_is_unavailable()) throw Error(concat("cuda: ", *reason));
  int count = 0;
  CUDA_CHECK(cudaGetDeviceCount(&count));
  require(device_index >= 0 && device_index < count, "cuda:", device_index,
          ": expected a device index in [0, ", count, "); nvidia-smi lists the devices");
  make_current();

  cudaDeviceProp properties{};
  CUDA_CHECK(cudaGetDeviceProperties(&properties, device_index));
  device_name_ = properties.name;
  compute_capability_ = 10 * properties.major + properties.minor;
  require(compute_capability_ >= kMinComputeCapability, "cuda:", device_index, ": ", device_name_,
          " has compute capability ", properties.major, ".", properties.minor,
          ", expected at least 8.0 (A100 or newer); use --device cpu");
  num_multiprocessors_ = properties.multiProcessorCount;

  stream_ = std::make_unique<CudaStream>();
  blas_ = std::make_unique<CublasLt>(device_name_);
}

CudaContext::~CudaContext() {
  // Work in flight may use the workspace that goes now.
  cudaStreamSynchronize(stream_->get());
}

void CudaContext::make_current() const {
  CUDA_CHECK(cudaSetDevice(device_index_));
}

CudaContext::MemoryInfo CudaContext::memory_info() const {
  MemoryInfo info;
  CUDA_CHECK(cudaMemGetInfo(&info.free_bytes, &info.total_bytes));
  return info;
}

}  // namespace eet
