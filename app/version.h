// What this program is made of, for --version and reports.
#pragma once

#include <string>

namespace eet {

// "13.0" each; empty in a build without CUDA, and the driver's also where there is none.
struct CudaVersions {
  std::string runtime;
  std::string driver;
};
CudaVersions cuda_versions();

// "eet 0.1.0 (CUDA 13.0)" or "eet 0.1.0 (CPU only)".
std::string version_line();

}  // namespace eet
