// The program's commands and flags as plain data, read from the CLI11 application, for everything
// that is written from them: help, completions, manual pages.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace eet {

struct FlagDescription {
  std::vector<std::string> names;    // "-m", "--model"; of a positional its name
  std::string value;                 // what stands for its value, as value_label(); empty: none
  std::vector<std::string> choices;  // the words that the value may be; empty: anything
  std::string default_value;
  std::string help;
  std::string group;
  bool required = false;
};

struct CommandDescription {
  std::string name;
  std::string summary;
  std::string footer;
  std::vector<FlagDescription> flags;
  std::vector<FlagDescription> positionals;
};

// The application itself, and its visible commands in their order.
CommandDescription describe(const CLI::App& app);
std::vector<CommandDescription> describe_commands(const CLI::App& app);

// "INT", "auto|cpu|cuda[:N]", without what validators add to it; empty for flags without a value.
std::string value_label(const CLI::Option& option);

// Every long name of a command's flags: "--model".
std::vector<std::string> long_names(const CLI::App& command);

}  // namespace eet
