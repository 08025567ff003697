// `eet tokenize`: text to token ids and back, with the tokenizer files alone.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace eet {

struct TokenizeOptions {
  std::string model;         // directory with tokenizer files, or one *.model or tokenizer.json
  std::string input = "-";   // "-": standard input
  std::string output = "-";  // "-": standard output
  bool add_special_tokens = true;
  bool decode = false;
};

// Works through the input line by line. Where its first line that is not blank begins with "{", the
// input is JSON lines: {"id"?, "text"} gives {"id"?, "ids"}, with `decode` the other way round, and
// a bad row gives {"id"?, "ids"|"text": null, "error": {"code", "message"}} and a line on stderr.
// Otherwise each line is text and gives a line of ids, with `decode` the other way round; a bad
// line gives an empty one. Returns the exit code: 3 when there was a bad row. Throws what stops the
// job.
int run_tokenize(const TokenizeOptions& options);

// Adds the subcommand; running it sets `exit_code`.
void add_tokenize_command(CLI::App& app, int& exit_code);

}  // namespace eet
