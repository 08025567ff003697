// The engines that a job or a benchmark runs on: one, or one for each device.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/engine_options.h"
#include "lib/generator.h"
#include "lib/model/config.h"
#include "lib/model/weights.h"
#include "lib/parallel/choose_devices.h"

namespace eet {

// --data-parallel-size; nothing: auto.
using DataParallelSize = std::optional<int>;

// The devices that the options choose, as EngineOptions::device; those that could have been taken
// are told to `warn`. Throws Error.
using Warn = std::function<void(const std::string& message)>;
std::vector<std::string> devices_of(const EngineOptions& options, DataParallelSize size,
                                    const Warn& warn, FewerDevices fewer = FewerDevices::kRefuse);

// With one device just an Engine. With several, tensors are loaded once for all of them; under
// auto, and where fewer are taken, too, devices that cannot be opened or cannot take the model are
// left out. `warn` is called later, too, when a device fails.
std::unique_ptr<Generator> make_engines(const ModelConfig& config, const TensorLoader& loader,
                                        const EngineOptions& options, DataParallelSize size,
                                        const Warn& warn,
                                        FewerDevices fewer = FewerDevices::kRefuse);

// "NVIDIA H200", "2 x NVIDIA H200"
std::string describe_devices(size_t count, const std::string& device);

}  // namespace eet
