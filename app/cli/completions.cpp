#include "app/cli/completions.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <sstream>
#include <string_view>
#include <vector>

#include "app/cli/command_tree.h"
#include "lib/core/error.h"

namespace eet {
namespace {

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += separator;
    text += word;
  }
  return text;
}

// The text with a backslash before each of `special`.
std::string escaped(std::string_view text, std::string_view special) {
  std::string result;
  for (const char c : text) {
    if (special.find(c) != special.npos) result += '\\';
    result += c;
  }
  return result;
}

// For single quotes of bash and zsh, which know no escapes inside.
std::string in_single_quotes(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

std::vector<std::string> names_of(const std::vector<CommandDescription>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const CommandDescription& command : commands) names.push_back(command.name);
  return names;
}

std::vector<std::string> flag_names(const CommandDescription& command) {
  std::vector<std::string> names;
  for (const FlagDescription& flag : command.flags) {
    names.insert(names.end(), flag.names.begin(), flag.names.end());
  }
  return names;
}

// "generate:-m|generate:--model"
std::string bash_pattern(const CommandDescription& command, const FlagDescription& flag) {
  std::vector<std::string> patterns;
  for (const std::string& name : flag.names) patterns.push_back(command.name + ":" + name);
  return join(patterns, "|");
}

// One line of zsh's _arguments: its names exclude each other.
std::string zsh_flag(const FlagDescription& flag) {
  const std::string action = flag.choices.empty() ? "_files" : "(" + join(flag.choices, " ") + ")";
  const std::string value = flag.value.empty() ? "" : ":value:" + action;
  const std::string spec = "[" + escaped(flag.help, "[]:\\") + "]" + value;
  std::string line;
  for (const std::string& name : flag.names) {
    const std::string names = flag.names.size() > 1 ? "(" + join(flag.names, " ") + ")" : "";
    line.append(" \\\n        ").append(in_single_quotes(concat(names, name, spec)));
  }
  return line;
}

std::string fish_quoted(std::string_view text) {
  return "'" + escaped(text, "'\\") + "'";
}

std::string fish_flag(const std::string& condition, const FlagDescription& flag) {
  std::string line = "complete -c eet -n " + condition;
  for (const std::string& name : flag.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!flag.choices.empty()) line += " -x -a " + fish_quoted(join(flag.choices, " "));
  if (flag.choices.empty() && !flag.value.empty()) line += " -r -F";
  return line + " -d " + fish_quoted(flag.help) + "\n";
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  const std::vector<CommandDescription> commands = describe_commands(app);
  std::ostringstream out;
  out << "# bash completion of eet, written by `eet completion bash`\n"
         "_eet() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    words='"
      << join(names_of(commands), " ") << ' ' << join(flag_names(describe(app)), " ")
      << "'\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]}:$before in\n";
  for (const CommandDescription& command : commands) {
    std::vector<std::string> with_files;
    for (const FlagDescription& flag : command.flags) {
      const std::string pattern = bash_pattern(command, flag);
      if (flag.choices.empty() && !flag.value.empty()) with_files.push_back(pattern);
      if (flag.choices.empty()) continue;
      out << "    " << pattern << ") words='" << join(flag.choices, " ") << "' ;;\n";
    }
    if (!with_files.empty()) out << "    " << join(with_files, "|") << ") return ;;\n";
  }
  out << "    *)\n"
         "      [[ $word == -* ]] || return 0\n"
         "      case ${COMP_WORDS[1]} in\n";
  for (const CommandDescription& command : commands) {
    out << "        " << command.name << ") words='" << join(flag_names(command), " ") << "' ;;\n";
  }
  out << "      esac ;;\n"
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "}\n"
         "complete -o bashdefault -o default -F _eet eet\n";
  return out.str();
}

std::string zsh_completion(const CLI::App& app) {
  const std::vector<CommandDescription> commands = describe_commands(app);
  std::ostringstream out;
  out << "#compdef eet\n"
         "# zsh completion of eet, written by `eet completion zsh`\n"
         "_eet() {\n"
         "  local -a commands\n"
         "  commands=(\n";
  for (const CommandDescription& command : commands) {
    out << "    " << in_single_quotes(command.name + ":" + escaped(command.summary, ":\\")) << '\n';
  }
  out << "  )\n"
         "  if ((CURRENT == 2)); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  shift words\n"
         "  ((CURRENT--))\n"
         "  case $words[1] in\n";
  for (const CommandDescription& command : commands) {
    out << "    " << command.name << ")\n      _arguments -s";
    for (const FlagDescription& flag : command.flags) out << zsh_flag(flag);
    if (!command.positionals.empty()) out << " \\\n        '*:file:_files'";
    out << " ;;\n";
  }
  out << "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _eet ]]; then\n"
         "  _eet \"$@\"\n"
         "else\n"
         "  compdef _eet eet\n"
         "fi\n";
  return out.str();
}

std::string fish_completion(const CLI::App& app) {
  std::ostringstream out;
  out << "# fish completion of eet, written by `eet completion fish`\n";
  for (const FlagDescription& flag : describe(app).flags) {
    out << fish_flag("__fish_use_subcommand", flag);
  }
  for (const CommandDescription& command : describe_commands(app)) {
    out << "complete -c eet -f -n __fish_use_subcommand -a " << command.name << " -d "
        << fish_quoted(command.summary) << '\n';
    const std::string condition = fish_quoted("__fish_seen_subcommand_from " + command.name);
    for (const FlagDescription& flag : command.flags) out << fish_flag(condition, flag);
  }
  return out.str();
}

}  // namespace eet
