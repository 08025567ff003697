// `eet inspect`: what a model is, without running it.
#pragma once

#include <CLI/App.hpp>

namespace eet {

// Adds the command to `app`; running it prints to stdout and sets `exit_code`. Throws Error.
void add_inspect_command(CLI::App& app, int& exit_code);

}  // namespace eet
