#include "app/cli/usage_error.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "app/cli/command_tree.h"
#include "app/cli/suggestion.h"
#include "lib/core/error.h"

namespace eet {
namespace {

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::string unexpected(const CLI::App& app, const CLI::App& command, const std::string& word) {
  if (word.starts_with("-")) {
    const std::string flag = word.substr(0, word.find('='));
    return "unknown flag " + flag + did_you_mean(flag, long_names(command));
  }
  if (&app == &command) return "unknown command " + word + did_you_mean(word, command_names(app));
  return "unexpected argument " + word;
}

// What an option takes, in words, where a validator of CLI11 has no readable message of its own.
std::optional<std::string> expected_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const auto has = [&type](std::string_view part) { return type.find(part) != type.npos; };
  if (const size_t at = type.find(" in ["); at != type.npos) {
    std::string range = type.substr(at + 5, type.find(']', at) - at - 5);
    if (const size_t dash = range.find(" - "); dash != range.npos) range.replace(dash, 3, " to ");
    return "a number from " + range;
  }
  if (has(":POSITIVE")) return "a number above 0";
  if (has(":NONNEGATIVE")) return "0 or a number above it";
  if (has("{") || has("|")) {
    std::string words = value_label(option);
    for (size_t at = 0; (at = words.find('|', at)) != words.npos; at += 2)
      words.replace(at, 1, ", ");
    return "one of " + words;
  }
  if (type == "INT" || type == "UINT") {
    const std::vector<std::string>& given = option.results();
    const bool is_number = !given.empty() && !given.back().empty() &&
                           given.back().find_first_not_of("0123456789") == std::string::npos;
    return is_number ? "a smaller integer" : "an integer";
  }
  if (option.get_expected_min() == 0) return "true or false";
  if (type == "FLOAT") return "a number";
  return std::nullopt;
}

// The option that a message of CLI11 speaks of.
const CLI::Option* option_of(const CLI::App& command, std::string_view message) {
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name();
    if (message.starts_with(name + ":") || message.ends_with(" " + name) ||
        message.find(" " + name + " = ") != std::string_view::npos) {
      return option;
    }
  }
  return nullptr;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string reason(const CLI::App& app, const CLI::App& command, const CLI::ParseError& error) {
  std::string message = error.what();
  const std::vector<std::string> left = app.remaining(/*recurse=*/true);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !left.empty()) {
    return unexpected(app, command, left.front());
  }
  const bool of_value = dynamic_cast<const CLI::ConversionError*>(&error) != nullptr ||
                        message.find(" not in ") != std::string::npos;
  const CLI::Option* const option = of_value ? option_of(command, message) : nullptr;
  const std::optional<std::string> expected =
      option != nullptr ? expected_of(*option) : std::nullopt;
  if (!expected) return message;
  return concat(option->get_name(), ": expected ", *expected, ", got ", joined(option->results()));
}

}  // namespace

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> given = app.get_subcommands();
  const CLI::App& command = given.empty() ? app : *given.front();
  std::string message = reason(app, command, error);
  std::replace(message.begin(), message.end(), '\n', ' ');
  const std::string name = given.empty() ? app.get_name() : concat("eet ", command.get_name());
  return concat(message, " (see ", name, " --help)");
}

}  // namespace eet
