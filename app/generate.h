// `eet generate`: the bulk job.
#pragma once

#include <CLI/App.hpp>

#include "app/options.h"

namespace eet {

// Runs a job; returns the exit code. Throws Error.
int run_job(GenerateOptions options);

// Adds the subcommand; running it sets `exit_code` (0, or 3 when rows failed).
void add_generate_command(CLI::App& app, int& exit_code);

}  // namespace eet
