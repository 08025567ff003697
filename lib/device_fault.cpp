#include "lib/device_fault.h"

#if EET_HAVE_CUDA
#include "kernels/cuda_check.h"
#include "lib/cuda/cuda_faults.h"
#endif

namespace eet {

bool says_device_fault([[maybe_unused]] const std::exception& error) {
#if EET_HAVE_CUDA
  const auto* cuda = dynamic_cast<const CudaError*>(&error);
  return cuda != nullptr && is_device_fault(cuda->code());
#else
  return false;
#endif
}

}  // namespace eet
