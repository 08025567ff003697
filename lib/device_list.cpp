#include "lib/device_list.h"

#include "lib/core/error.h"
#include "lib/device.h"
#if EET_HAVE_CUDA
#include "kernels/cuda_check.h"
#include "lib/cuda/cuda_context.h"
#endif

namespace eet {
namespace {

#if EET_HAVE_CUDA
std::optional<std::string> add_cuda_devices(std::vector<DeviceInfo>& devices) {
  if (std::optional<std::string> reason = why_cuda_is_unavailable()) return reason;
  int count = 0;
  CUDA_CHECK(cudaGetDeviceCount(&count));
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp properties{};
    const cudaError_t status = cudaGetDeviceProperties(&properties, index);
    if (status != cudaSuccess) {  // as of a GPU that fell off its bus: the others are as they were
      devices.push_back({.name = concat("cuda:", index),
                         .description = concat("cannot be read: ", cudaGetErrorString(status)),
                         .compute_capability = {}});
      continue;
    }
    devices.push_back({.name = concat("cuda:", index),
                       .description = properties.name,
                       .compute_capability = concat(properties.major, ".", properties.minor),
                       .memory_bytes = static_cast<int64_t>(properties.totalGlobalMem)});
  }
  return std::nullopt;
}
#else
std::optional<std::string> add_cuda_devices(std::vector<DeviceInfo>& /*devices*/) {
  return "this eet was built without CUDA";
}
#endif

}  // namespace

DeviceList list_devices() {
  DeviceList list;
  list.no_cuda = add_cuda_devices(list.devices);
  const OpenDevice cpu("cpu", /*num_threads=*/0);
  list.devices.push_back({.name = "cpu",
                          .description = cpu.description(),
                          .compute_capability = {},
                          .memory_bytes = cpu.memory().total_bytes});
  return list;
}

}  // namespace eet
