#include "app/version.h"

#include "lib/device.h"

namespace eet {

std::string version_line() {
  const std::string runtime = cuda_versions().runtime;
  return "eet " EET_VERSION " (" + (runtime.empty() ? "CPU only" : "CUDA " + runtime) + ")";
}

}  // namespace eet
