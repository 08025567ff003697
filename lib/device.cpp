#include "lib/device.h"

#include <charconv>
#include <optional>

#include "lib/core/error.h"
#include "lib/host_memory.h"
#include "lib/ops/cpu/simd.h"
#if EET_HAVE_CUDA
#include <cuda_runtime_api.h>

#include "lib/cuda/cublas_lt.h"
#include "lib/cuda/cuda_context.h"
#else
namespace eet {
class CudaContext {};  // never made; completes the type for its unique_ptr
}  // namespace eet
#endif

namespace eet {
namespace {

#if !EET_HAVE_CUDA
std::optional<std::string> why_cuda_is_unavailable() {
  return "this eet was built without CUDA; build it where nvcc is installed, with -DEET_CUDA=ON, "
         "or use --device cpu";
}
#endif

// "cuda" is 0, "cuda:3" is 3; -1 for anything else.
int cuda_index(const std::string& name) {
  if (name == "cuda") return 0;
  if (!name.starts_with("cuda:")) return -1;
  int index = -1;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + 5, end, index);
  return error == std::errc() && stop == end ? index : -1;
}

#if EET_HAVE_CUDA
std::string version_text(int version) {  // 1000 * major + 10 * minor
  if (version == 0) return {};
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}
#endif

}  // namespace

CudaVersions cuda_versions() {
#if EET_HAVE_CUDA
  int runtime = 0;
  int driver = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);  // 0 where there is no driver
  return {version_text(runtime), version_text(driver)};
#else
  return {};
#endif
}

OpenDevice::OpenDevice(const std::string& name, int num_threads)
    : pool_(std::make_unique<ThreadPool>(num_threads > 0 ? num_threads : available_cores())) {
  context_.pool = pool_.get();
  const int index = name == "auto" ? 0 : cuda_index(name);
  require(name == "cpu" || index >= 0, "--device: expected auto, cpu, cuda or cuda:N, got '", name,
          "'");
  if (name == "cpu") return;
  if (const auto reason = why_cuda_is_unavailable()) {
    require(name == "auto", "--device ", name, ": ", *reason);
    return;
  }
#if EET_HAVE_CUDA
  cuda_ = std::make_unique<CudaContext>(index);
  context_.device = {Device::Kind::kCuda, index};
  context_.cuda = cuda_.get();
#endif
}

OpenDevice::~OpenDevice() = default;

std::string OpenDevice::description() const {
#if EET_HAVE_CUDA
  if (cuda_) return cuda_->device_name();
#endif
  return concat("CPU, ", pool_->num_threads(), " threads, ", simd::kernels().name);
}

std::string OpenDevice::kind() const {
#if EET_HAVE_CUDA
  if (cuda_) return cuda_->device_name();
#endif
  return concat("CPU, ", simd::kernels().name);
}

int64_t OpenDevice::workspace_bytes() const {
#if EET_HAVE_CUDA
  if (cuda_) return static_cast<int64_t>(CublasLt::kWorkspaceBytes);
#endif
  return 0;
}

OpenDevice::Memory OpenDevice::memory() const {
#if EET_HAVE_CUDA
  if (cuda_) {
    const CudaContext::MemoryInfo info = cuda_->memory_info();
    return {static_cast<int64_t>(info.free_bytes), static_cast<int64_t>(info.total_bytes)};
  }
#endif
  const HostMemory host = read_host_memory();
  return {host.free_bytes, host.total_bytes};
}

}  // namespace eet
