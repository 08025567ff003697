// `eet completion` and `eet man`: what installing the program adds to a shell.
#pragma once

#include <CLI/App.hpp>

namespace eet {

void add_completion_command(CLI::App& app);
void add_man_command(CLI::App& app);

}  // namespace eet
