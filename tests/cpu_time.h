// Time limits of tests, in the time of this process: other work on the machine does not count.
#pragma once

#include <ctime>

namespace eet::test {

// Seconds of CPU time since an arbitrary moment.
inline double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

}  // namespace eet::test
