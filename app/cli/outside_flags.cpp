#include "app/cli/outside_flags.h"

#include <CLI/Config.hpp>
#include <CLI/Error.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "app/cli/command_tree.h"
#include "app/cli/suggestion.h"
#include "app/cli/toml.h"
#include "lib/core/error.h"
#include "lib/files/regular_file.h"

namespace eet {
namespace {

constexpr const char* kConfig = "config";
constexpr size_t kMaxConfigBytes = size_t{1} << 20;

std::string variable_name(const std::string& flag) {
  std::string name = "EET_" + flag;
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

void name_variables(CLI::App& command) {
  for (CLI::Option* option : command.get_options()) {
    if (option == command.get_help_ptr() || option->get_lnames().empty()) continue;
    const std::string& name = option->get_lnames().front();
    if (name != kConfig) option->envname(variable_name(name));
  }
}

// A table of another command is that command's business.
bool is_for(const TomlEntry& entry, const CLI::App& command) {
  if (entry.table.empty() || entry.table == command.get_name()) return true;
  std::vector<std::string> names;
  for (const CLI::App* other : command.get_parent()->get_subcommands({})) {
    names.push_back(other->get_name());
  }
  require(std::ranges::find(names, entry.table) != names.end(), "[", entry.table,
          "]: expected the name of a command", did_you_mean(entry.table, names));
  return false;
}

void set_flag(CLI::App& command, const TomlEntry& entry) {
  std::string name = "--" + entry.key;
  std::replace(name.begin() + 2, name.end(), '_', '-');
  CLI::Option* const option = command.get_option_no_throw(name);
  require(option != nullptr && name != "--config" && option != command.get_help_ptr(), entry.key,
          ": no flag of eet ", command.get_name(), did_you_mean(name, long_names(command)));
  if (option->count() > 0) return;  // said on the command line or by a variable
  if (option->get_expected_min() == 0) {
    require(entry.values == std::vector<std::string>{"true"} ||
                entry.values == std::vector<std::string>{"false"},
            entry.key, ": expected true or false");
    option->add_result(option->get_flag_value(name.substr(2), entry.values.front()));
  } else {
    option->add_result(entry.values);
  }
  option->run_callback();
}

void apply_config(CLI::App& command, const std::string& path) {
  if (command.get_help_ptr()->count() > 0) return;
  try {
    for (const TomlEntry& entry :
         read_toml(read_regular_file(path, kMaxConfigBytes, Links::kAnywhere), path)) {
      try {
        if (is_for(entry, command)) set_flag(command, entry);
      } catch (const std::exception& error) {
        throw Error(concat(path, ": line ", entry.line, ": ", error.what()));
      }
    }
  } catch (const FileError& error) {
    throw CLI::ValidationError(concat(error.what(), ": --config takes a file of flags"));
  } catch (const Error& error) {
    throw CLI::ValidationError(error.what());
  }
}

}  // namespace

void add_outside_flags(CLI::App& command) {
  // Only of the command that runs: what a variable says badly is no other command's error.
  command.preparse_callback([&command](size_t) { name_variables(command); });
  if (command.get_option_no_throw("--config") != nullptr) return;
  command
      .add_option_function<std::string>(
          "--config", [&command](const std::string& path) { apply_config(command, path); },
          "Flags from a TOML file: max-tokens = 64. Variables set flags too: EET_MAX_TOKENS=64.\n"
          "The command line wins over variables, and those over the file")
      ->type_name("FILE");
}

std::string config_file_of(const CLI::App& command) {
  const CLI::Option* option = command.get_option_no_throw("--config");
  return option == nullptr || option->count() == 0 ? std::string() : option->results().back();
}

}  // namespace eet
