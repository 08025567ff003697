#include "app/cli/command_tree.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <algorithm>
#include <string_view>

namespace eet {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

// "auto|cuda[:N]" names the words auto and cuda.
std::vector<std::string> choices_of(const std::string& label) {
  if (label.find('|') == std::string::npos) return {};
  std::vector<std::string> words = split(label, '|');
  for (std::string& word : words) word.resize(std::min(word.find('['), word.size()));
  return words;
}

FlagDescription describe(const CLI::Option& option) {
  FlagDescription flag;
  for (const std::string& name : option.get_snames()) flag.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) flag.names.push_back("--" + name);
  if (flag.names.empty()) flag.names.push_back(option.get_name(/*positional=*/true));
  flag.value = value_label(option);
  flag.choices = choices_of(flag.value);
  flag.default_value = option.get_default_str();
  flag.help = option.get_description();
  std::replace(flag.help.begin(), flag.help.end(), '\n', ' ');
  flag.group = option.get_group();
  flag.required = option.get_required();
  return flag;
}

}  // namespace

std::string value_label(const CLI::Option& option) {
  if (option.get_type_size() == 0 || option.get_expected_max() == 0) return {};
  std::string label = option.get_type_name();
  for (const std::string_view added : {":POSITIVE", ":NONNEGATIVE", ":FLOAT in [", ":INT in ["}) {
    label.resize(std::min(label.find(added), label.size()));
  }
  const size_t words = label.find(":{");
  if (words == std::string::npos) return label;
  if (label.find('|') < words) return label.substr(0, words);
  label = label.substr(words + 2, label.find('}', words) - words - 2);
  std::replace(label.begin(), label.end(), ',', '|');
  return label;
}

std::vector<std::string> long_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

CommandDescription describe(const CLI::App& app) {
  CommandDescription command;
  command.name = app.get_name();
  command.summary = app.get_description();
  command.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    auto& list = option->get_positional() ? command.positionals : command.flags;
    list.push_back(describe(*option));
  }
  return command;
}

std::vector<CommandDescription> describe_commands(const CLI::App& app) {
  std::vector<CommandDescription> commands;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_group().empty()) commands.push_back(describe(*command));
  }
  return commands;
}

}  // namespace eet
