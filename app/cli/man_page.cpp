#include "app/cli/man_page.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <sstream>
#include <string_view>
#include <vector>

#include "app/cli/command_tree.h"
#include "lib/core/error.h"

namespace eet {
namespace {

// Text in which troff sees no requests: backslashes and hyphens as they are, no dot at the start.
std::string plain(std::string_view text) {
  std::string result;
  bool starts_line = true;
  for (const char c : text) {
    if (starts_line && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
    starts_line = c == '\n';
  }
  return result;
}

// Bold names, italic value: "\fB-m\fR, \fB--model\fR \fITEXT\fR".
std::string flag_term(const FlagDescription& flag) {
  std::string term;
  for (const std::string& name : flag.names) {
    term += (term.empty() ? "" : ", ") + ("\\fB" + plain(name) + "\\fR");
  }
  if (!flag.value.empty()) term += " \\fI" + plain(flag.value) + "\\fR";
  return term;
}

void append_flags(std::ostream& out, const std::vector<FlagDescription>& flags) {
  for (const FlagDescription& flag : flags) {
    out << ".TP\n" << flag_term(flag) << '\n' << plain(flag.help);
    if (flag.required) out << " (required)";
    if (!flag.default_value.empty()) out << " (default " << plain(flag.default_value) << ')';
    out << '\n';
  }
}

void append_grouped_flags(std::ostream& out, const std::vector<FlagDescription>& flags) {
  std::vector<std::string> groups;
  for (const FlagDescription& flag : flags) {
    if (std::ranges::find(groups, flag.group) == groups.end()) groups.push_back(flag.group);
  }
  for (const std::string& group : groups) {
    if (group.empty()) continue;
    std::vector<FlagDescription> of_group;
    std::ranges::copy_if(flags, std::back_inserter(of_group),
                         [&](const FlagDescription& flag) { return flag.group == group; });
    if (group != groups.front()) out << ".SS " << plain(group) << '\n';
    append_flags(out, of_group);
  }
}

void append_heading(std::ostream& out, const std::string& page, const std::string& summary) {
  std::string title = page;
  for (char& c : title) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  out << ".TH " << plain(title) << " 1 \"\" \"eet " EET_VERSION "\" \"User Commands\"\n"
      << ".SH NAME\n"
      << plain(page) << " \\- " << plain(summary) << '\n';
}

void append_notes(std::ostream& out, const std::string& footer) {
  if (!footer.empty()) out << ".SH NOTES\n.nf\n" << plain(footer) << "\n.fi\n";
}

std::string program_page(const CLI::App& app) {
  const std::vector<CommandDescription> commands = describe_commands(app);
  const CommandDescription program = describe(app);
  std::ostringstream out;
  append_heading(out, program.name, program.summary);
  out << ".SH SYNOPSIS\n.B eet\n.I COMMAND\n[\\fIFLAGS\\fR]\n.SH COMMANDS\n";
  for (const CommandDescription& command : commands) {
    out << ".TP\n\\fBeet\\-" << plain(command.name) << "\\fR(1)\n"
        << plain(command.summary) << '\n';
  }
  out << ".SH OPTIONS\n";
  append_flags(out, program.flags);
  append_notes(out, program.footer);
  return out.str();
}

std::string command_page(const CommandDescription& command) {
  std::ostringstream out;
  append_heading(out, "eet-" + command.name, command.summary);
  out << ".SH SYNOPSIS\n.B eet " << plain(command.name) << "\n[\\fIFLAGS\\fR]";
  for (const FlagDescription& positional : command.positionals) {
    out << " \\fI" << plain(positional.names.front()) << "\\fR";
  }
  out << "\n.SH OPTIONS\n";
  append_flags(out, command.positionals);
  append_grouped_flags(out, command.flags);
  append_notes(out, command.footer);
  out << ".SH SEE ALSO\n.BR eet (1)\n";
  return out.str();
}

}  // namespace

std::string man_page(const CLI::App& app, const std::string& command) {
  if (command.empty()) return program_page(app);
  for (const CommandDescription& candidate : describe_commands(app)) {
    if (candidate.name == command) return command_page(candidate);
  }
  throw Error("man: expected a command of eet, got " + command);
}

}  // namespace eet
