// Completion scripts for shells, written from the commands and flags themselves.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace eet {

// Scripts that complete commands, flags and the words that flags take; other values are file names.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);
std::string fish_completion(const CLI::App& app);

}  // namespace eet
