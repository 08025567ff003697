// What this program is made of.
#pragma once

#include <string>

namespace eet {

// The commit that this program was built from, "-dirty" where files differed from it; "unknown"
// outside of a repository.
std::string build_commit();

// For --version: version, commit, compilers, CUDA.
std::string version_text();

}  // namespace eet
