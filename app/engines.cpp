#include "app/engines.h"

#include <algorithm>
#include <utility>

#include "app/engine_factory.h"
#include "lib/core/error.h"
#include "lib/core/thread_pool.h"
#include "lib/device_list.h"
#include "lib/model/shared_loader.h"
#include "lib/parallel/choose_devices.h"
#include "lib/parallel/engine_group.h"

namespace eet {
namespace {

// Of one of the engines on `devices`, which share the host.
EngineOptions share_of(const EngineOptions& options, const std::vector<std::string>& devices,
                       size_t index) {
  const auto count = static_cast<int>(devices.size());
  const int threads = options.num_threads > 0 ? options.num_threads : available_cores();
  EngineOptions share = options;
  share.device = devices[index];
  share.num_threads = std::max(1, threads / count);
  share.engines_on_cpu = devices[index] == "cpu" ? count : 1;
  return share;
}

}  // namespace

std::vector<std::string> devices_of(const EngineOptions& options, DataParallelSize size,
                                    const Warn& warn, FewerDevices fewer) {
  const bool of_all = size != 1 && (options.device == "auto" || options.device == "cuda");
  ChosenDevices chosen =
      choose_devices(options.device, size, of_all ? list_devices() : DeviceList(), fewer);
  for (const std::string& message : chosen.left_out) warn(message);
  return std::move(chosen.names);
}

std::unique_ptr<Generator> make_engines(const ModelConfig& config, const TensorLoader& loader,
                                        const EngineOptions& options, DataParallelSize size,
                                        const Warn& warn, FewerDevices fewer) {
  const std::vector<std::string> devices = devices_of(options, size, warn, fewer);
  if (devices.size() == 1) return make_engine(config, loader, options, 0);

  SharedLoader shared(loader, devices.size());
  const auto make = [&](size_t index) -> std::unique_ptr<Generator> {
    const TensorLoader taker = shared.loader_of(index);
    try {
      return make_engine(config, loader ? taker : loader, share_of(options, devices, index), index);
    } catch (const std::exception& error) {
      throw Error(concat(devices[index], ": ", error.what()));
    }
  };
  const bool may_leave_out = !size || fewer == FewerDevices::kTake;
  return std::make_unique<EngineGroup>(make, EngineGroup::Options{.num_engines = devices.size(),
                                                                  .may_leave_out = may_leave_out,
                                                                  .schedule = options.schedule,
                                                                  .warn = warn});
}

std::string describe_devices(size_t count, const std::string& device) {
  return count > 1 ? concat(count, " x ", device) : device;
}

}  // namespace eet
