// `eet score`: log-likelihoods of given texts.
#pragma once

#include <CLI/App.hpp>

namespace eet {

// Adds the subcommand; running it sets `exit_code` as `generate` does.
void add_score_command(CLI::App& app, int& exit_code);

}  // namespace eet
