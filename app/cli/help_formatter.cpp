#include "app/cli/help_formatter.h"

#include <CLI/Option.hpp>

#include "app/cli/command_tree.h"

namespace eet {

std::string HelpFormatter::make_option_name(const CLI::Option* option, bool is_positional) const {
  std::string name = CLI::Formatter::make_option_name(option, is_positional);
  const std::string negated = "{false}";  // of a name that turns the flag off
  const size_t at = name.find(negated);
  return at == std::string::npos ? name : name.erase(at, negated.size());
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  std::string text;
  if (const std::string label = value_label(*option); !label.empty()) {
    text += " " + label;
    if (!option->get_default_str().empty()) text += "=" + option->get_default_str();
    if (option->get_expected_max() == CLI::detail::expected_max_vector_size) text += " ...";
    if (option->get_required()) text += " " + get_label("REQUIRED");
  }
  const auto list = [&text](const char* heading, const auto& options) {
    if (options.empty()) return;
    text += heading;
    for (const CLI::Option* other : options) text += " " + other->get_name();
  };
  list(" with", option->get_needs());
  list(" without", option->get_excludes());
  return text;
}

}  // namespace eet
