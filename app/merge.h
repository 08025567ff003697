// `eet merge`: the outputs of all shards as the output of one run.
#pragma once

#include <CLI/App.hpp>

namespace eet {

// Adds the subcommand; running it sets `exit_code`. Throws Error.
void add_merge_command(CLI::App& app, int& exit_code);

}  // namespace eet
