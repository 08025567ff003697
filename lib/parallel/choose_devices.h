// Which devices a job runs on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/device_list.h"

namespace eet {

struct ChosenDevices {
  std::vector<std::string> names;     // as EngineOptions::device, at least one
  std::vector<std::string> left_out;  // why, of GPUs that could have been taken
};

// Whether a job that had a number of GPUs goes on with those that are left.
enum class FewerDevices { kRefuse, kTake };

// The devices of --device for --data-parallel-size `size`; nothing: auto, all GPUs that there are.
// A row's bits may depend on the kind of GPU, and must not on which of them happens to run it: only
// those of the first GPU's kind are taken, and no GPU whose properties cannot be read. A CPU counts
// as one device, or as several that share it. Throws Error when there are fewer than `size` and
// that is refused, and when there is none.
ChosenDevices choose_devices(const std::string& device, std::optional<int> size,
                             const DeviceList& list, FewerDevices fewer = FewerDevices::kRefuse);

}  // namespace eet
