#include "lib/parallel/choose_devices.h"

#include "lib/core/error.h"

namespace eet {

ChosenDevices choose_devices(const std::string& device, std::optional<int> size,
                             const DeviceList& list, FewerDevices fewer) {
  if (size.value_or(1) == 1 && (size || device != "auto") && device != "cuda")
    return {{device}, {}};
  if (device == "cpu") return {std::vector<std::string>(static_cast<size_t>(*size), device), {}};
  require(device == "auto" || device == "cuda", "--data-parallel-size ", size.value_or(1),
          ": --device ", device, " is one device; use --device cuda for all");

  ChosenDevices chosen;
  std::string first;
  std::string kind;
  for (const DeviceInfo& info : list.devices) {
    if (!info.name.starts_with("cuda")) continue;
    if (info.compute_capability.empty()) {
      chosen.left_out.push_back(concat(info.name, " is left out: it ", info.description));
      continue;
    }
    if (kind.empty()) {
      first = info.name;
      kind = info.description;
    }
    if (info.description == kind) {
      chosen.names.push_back(info.name);
    } else {
      chosen.left_out.push_back(concat(info.name, " (", info.description, ") is left out: rows' ",
                                       "bits may differ from those of ", first, " (", kind, ")"));
    }
  }
  if (!size) {
    const bool only_first = chosen.names.size() == 1 && chosen.names.front() == "cuda:0";
    if (chosen.names.empty() || only_first) chosen.names = {device};
    return chosen;
  }
  if (*size == 1) return {{device}, {}};
  const auto wanted = static_cast<size_t>(*size);
  const size_t count = chosen.names.size();
  const bool takes_fewer = fewer == FewerDevices::kTake && count > 0;
  require(wanted <= count || takes_fewer, "--data-parallel-size ", wanted,
          ": expected at most the ", count, " GPUs",
          kind.empty() ? "" : concat(" like ", first, " (", kind, ")"),
          list.no_cuda ? concat(" (", *list.no_cuda, ")") : "",
          "; `eet devices` lists all, CUDA_VISIBLE_DEVICES picks some");
  if (wanted > count) {
    return {chosen.names,
            {concat("of ", wanted, " GPUs like ", first, " (", kind, ") ", count,
                    count == 1 ? " is left" : " are left")}};
  }
  chosen.names.resize(wanted);
  return {chosen.names, {}};
}

}  // namespace eet
