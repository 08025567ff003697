// A device that takes the process with it.
#pragma once

#include <exception>

#include "lib/core/error.h"

namespace eet {

// A kernel broke the device's rules, or the device broke down. CUDA then refuses all work of the
// process, on its other devices too and also after a reset: only a new process can go on. What was
// read from a device before is good.
class DeviceFault : public Error {
 public:
  using Error::Error;
};

// Whether an operation's error says so (lib/cuda/cuda_faults.h).
bool says_device_fault(const std::exception& error);

}  // namespace eet
