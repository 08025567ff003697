// `eet bench`: how fast the engine is on this machine, and how far from the limit.
#pragma once

#include <CLI/App.hpp>

namespace eet {

// Adds the subcommand; running it sets `exit_code`. Throws Error.
void add_bench_command(CLI::App& app, int& exit_code);

}  // namespace eet
