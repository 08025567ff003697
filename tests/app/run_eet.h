// Runs the built program as a user would.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/app/sample_model.h"
#include "tests/app/temp_directory.h"

namespace eet {

struct EetResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

inline std::string shell_quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

// `eet args...` with its standard input from the file `input`.
inline EetResult run_eet(const std::vector<std::string>& args,
                         const std::string& input = "/dev/null") {
  const TempDirectory dir;
  std::string command = shell_quoted(EET_PROGRAM);
  for (const std::string& arg : args) command.append(" ").append(shell_quoted(arg));
  command += " <" + shell_quoted(input) + " >" + shell_quoted(dir.file("out")) + " 2>" +
             shell_quoted(dir.file("err"));
  const int status = std::system(command.c_str());
  EetResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  constexpr int kNotFound = 127;  // of a shell
  if (result.exit_code == kNotFound) throw std::runtime_error("cannot run " EET_PROGRAM);
  result.out = read_text(dir.file("out"));
  result.err = read_text(dir.file("err"));
  return result;
}

inline std::vector<nlohmann::json> parse_lines(const std::string& text) {
  std::vector<nlohmann::json> rows;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

inline std::string join_lines(const std::vector<nlohmann::json>& rows) {
  std::string text;
  for (const nlohmann::json& row : rows) text += row.dump() + "\n";
  return text;
}

}  // namespace eet
