#include "app/version.h"

#if EET_HAVE_CUDA
#include <cuda_runtime_api.h>
#endif

namespace eet {
namespace {

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

std::string version_line() {
  const std::string runtime = cuda_versions().runtime;
  return "eet " EET_VERSION " (" + (runtime.empty() ? "CPU only" : "CUDA " + runtime) + ")";
}

}  // namespace eet
