#include "app/version.h"

#include "app/build_commit.h"
#include "lib/device.h"

namespace eet {

std::string build_commit() {
  return EET_COMMIT;
}

std::string version_text() {
  const CudaVersions cuda = cuda_versions();
  std::string text = "eet " EET_VERSION " (commit " EET_COMMIT ")\nbuilt by " EET_COMPILERS;
  if (cuda.runtime.empty()) return text + ", without CUDA";
  text += ", for CUDA " + cuda.runtime + " on " EET_CUDA_ARCHITECTURES;
  return text + (cuda.driver.empty() ? "; no NVIDIA driver here"
                                     : "; the driver here supports CUDA " + cuda.driver);
}

}  // namespace eet
