// The flags for reading configurations that others wrote.
#pragma once

#include <CLI/App.hpp>

#include "weights_tools/config_policy.h"

namespace eet {

// Declares --strict-config and --ignore-config; parsing fills `policy`, which must outlive
// `command`.
void add_config_options(CLI::App& command, ConfigPolicy& policy);

}  // namespace eet
