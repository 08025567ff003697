#include "app/devices.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/exit_code.h"
#include "lib/device_list.h"

namespace eet {
namespace {

using Json = nlohmann::ordered_json;

std::string format_json(const DeviceList& list) {
  Json devices = Json::array();
  for (const DeviceInfo& device : list.devices) {
    devices.push_back(
        {{"name", device.name},
         {"description", device.description},
         {"compute_capability",
          device.compute_capability.empty() ? Json(nullptr) : Json(device.compute_capability)},
         {"memory_bytes", device.memory_bytes}});
  }
  const Json report = {{"devices", std::move(devices)},
                       {"no_cuda", list.no_cuda ? Json(*list.no_cuda) : Json(nullptr)}};
  return report.dump(2, ' ', false, Json::error_handler_t::replace);
}

void print_text(const DeviceList& list) {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  std::cout << std::fixed << std::setprecision(1);
  for (const DeviceInfo& device : list.devices) {
    std::cout << std::left << std::setw(8) << device.name << "  " << device.description << ", "
              << static_cast<double>(device.memory_bytes) / kGiB << " GiB";
    if (!device.compute_capability.empty()) {
      std::cout << ", compute capability " << device.compute_capability;
    }
    std::cout << '\n';
  }
  if (list.no_cuda) std::cout << "no CUDA device: " << *list.no_cuda << '\n';
}

}  // namespace

void add_devices_command(CLI::App& app, int& exit_code) {
  const auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("devices", "List what --device can name on this machine");
  command->add_flag("--json", *json, "One JSON object, for programs");
  command->callback([json, &exit_code] {
    const DeviceList list = list_devices();
    if (*json) {
      std::cout << format_json(list) << '\n';
    } else {
      print_text(list);
    }
    exit_code = kExitOk;
  });
}

}  // namespace eet
