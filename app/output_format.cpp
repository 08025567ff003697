#include "app/output_format.h"

#include <CLI/Error.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>

namespace eet {
namespace {

// Fields that rows of this job have or may have by its flags.
std::vector<std::string> expected_columns(const GenerateOptions& options) {
  std::vector<std::string> columns;
  if (options.format.token_ids) columns.emplace_back("token_ids");
  if (options.logprobs) columns.emplace_back("logprobs");
  if (options.top_logprobs > 0) columns.emplace_back("top_logprobs");
  if (options.params.n > 1) columns.emplace_back("choices");
  if (options.long_prompts != LongPrompts::kError) columns.emplace_back("truncated");
  return columns;
}

}  // namespace

std::optional<char> delimiter_of_name(std::string_view path) {
  const InputFormat format = format_of_name(path);
  if (format == InputFormat::kCsv) return ',';
  if (format == InputFormat::kTsv) return '\t';
  return std::nullopt;
}

void add_output_format_option(CLI::App& command, GenerateOptions& options) {
  std::vector<std::string> names = {"auto", "simple", "csv", "tsv"};
  if (options.format.style != RowStyle::kScore) names.insert(names.begin() + 2, "openai");
  command
      .add_option_function<std::string>(
          "--output-format",
          [&options](const std::string& name) {
            options.output_format = name;
            if (name == "openai") options.format.style = RowStyle::kOpenAi;
          },
          "Lines of JSON, or a table with the same fields; auto is a table where the output's "
          "name\n"
          "ends in .csv or .tsv" +
              std::string(names.size() > 4 ? ". openai: lines of OpenAI's batch output" : ""))
      ->check(CLI::IsMember(names))
      ->type_name(CLI::detail::join(names, "|"))
      ->default_str("auto");
}

void settle_output_format(GenerateOptions& options) {
  std::optional<char> delimiter;
  if (options.output_format == "csv") delimiter = ',';
  if (options.output_format == "tsv") delimiter = '\t';
  if (options.output_format == "auto") delimiter = delimiter_of_name(options.output);
  if (options.output_format == "openai" && delimiter_of_name(options.output)) {
    throw CLI::ValidationError("--output-format", options.output +
                                                      ": lines of OpenAI's batch output are no "
                                                      "table: give a name that ends in .jsonl");
  }
  if (!delimiter) return;
  if (options.input_options.shard.count > 1) {
    throw CLI::ValidationError("--shard",
                               "a part of a table is none: give --output a name that ends in "
                               ".jsonl, and the table's name to `eet merge`");
  }
  options.format.table = TableFormat{*delimiter, expected_columns(options)};
}

}  // namespace eet
