// Flags that come from elsewhere than the command line.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace eet {

// Lets every long flag of `command` (--max-tokens) also be set by a variable (EET_MAX_TOKENS), and
// adds --config FILE, whose TOML has flags by name (max-tokens = 64) before any table or in the
// table of the command ([generate]). The command line wins over variables, and those over the file.
// A command with another --config (bench: shapes) has variables only. To be called after the
// command's other flags are declared.
void add_outside_flags(CLI::App& command);

// The file that --config named, once `command` is parsed; empty where there was none.
std::string config_file_of(const CLI::App& command);

}  // namespace eet
