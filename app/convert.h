// `eet convert`: a checkpoint into the form that loads fastest.
#pragma once

#include <CLI/App.hpp>

namespace eet {

// Adds the command to `app`; running it sets `exit_code`. Throws Error.
void add_convert_command(CLI::App& app, int& exit_code);

}  // namespace eet
