// What this program is made of, for --version.
#pragma once

#include <string>

namespace eet {

// "eet 0.1.0 (CUDA 13.0)" or "eet 0.1.0 (CPU only)".
std::string version_line();

}  // namespace eet
