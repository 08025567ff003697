// `eet devices`: what this machine has to run models on.
#pragma once

#include <CLI/App.hpp>

namespace eet {

void add_devices_command(CLI::App& app, int& exit_code);

}  // namespace eet
