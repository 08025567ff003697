// The devices of this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eet {

struct DeviceInfo {
  std::string name;                // as --device takes it: "cpu", "cuda:0"
  std::string description;         // "NVIDIA H100 80GB HBM3", "CPU, 2 threads, avx512"
  std::string compute_capability;  // "9.0"; empty for the CPU, and for a GPU that cannot be read
  int64_t memory_bytes = 0;        // all there is
};

struct DeviceList {
  std::vector<DeviceInfo> devices;     // those of CUDA in their order, then the CPU
  std::optional<std::string> no_cuda;  // why no CUDA device is among them
};

// Takes no memory of any device.
DeviceList list_devices();

}  // namespace eet
