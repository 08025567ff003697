// Which CUDA errors end the process.
#pragma once

#include <cuda_runtime.h>

namespace eet {

// Whether all later CUDA calls of the process fail, too. These are the codes of which
// driver_types.h says that "the process must be terminated and relaunched", and those of devices
// that are damaged or gone, of which it does not say what becomes of the process. Measured on two
// H200 (driver 580, CUDA 13.0): an illegal or misaligned address or a trap on one of them ends the
// work of both, from every thread, and cudaDeviceReset changes nothing.
inline bool is_device_fault(cudaError_t code) {
  constexpr int kContained = 226;         // cudaErrorContained, which CUDA 12.4 does not have
  constexpr int kTensorMemoryLeak = 721;  // cudaErrorTensorMemoryLeak, likewise
  switch (static_cast<int>(code)) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case kContained:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorContextIsDestroyed:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case kTensorMemoryLeak:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

}  // namespace eet
