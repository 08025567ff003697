// `eet validate`: what a job would do, without doing it.
#pragma once

#include <CLI/App.hpp>
#include <cstddef>

#include "app/options.h"

namespace eet {

struct ValidateOptions {
  bool json = false;
  bool calibrate = true;
  size_t max_listed = 20;  // bad rows and duplicate ids that are named
};

// Reads the whole input as the job would and prints to standard output what is in it and what the
// job would take. Weights are read only to calibrate. Returns the exit code: 3 when there
// are bad rows. Throws what would stop the job.
int validate(GenerateOptions job, const ValidateOptions& options);

// Adds the subcommand; running it sets `exit_code`.
void add_validate_command(CLI::App& app, int& exit_code);

}  // namespace eet
