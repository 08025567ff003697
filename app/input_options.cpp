#include "app/input_options.h"

#include <CLI/Config.hpp>
#include <CLI/Error.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <map>
#include <string>

#include "lib/core/error.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

const std::map<std::string, InputFormat> kInputFormats = {
    {"auto", InputFormat::kAuto}, {"jsonl", InputFormat::kJsonl}, {"text", InputFormat::kText},
    {"csv", InputFormat::kCsv},   {"tsv", InputFormat::kTsv},
};

const std::map<std::string, LongPrompts> kLongPrompts = {
    {"error", LongPrompts::kError},
    {"truncate-left", LongPrompts::kTruncateLeft},
    {"truncate-right", LongPrompts::kTruncateRight},
};

Shard shard_of(const std::string& text) {
  const std::optional<Shard> shard = parse_shard(text);
  if (!shard) {
    throw CLI::ValidationError(
        "--shard", concat("expected I/N with 0 <= I < N <= ", kMaxShards, ", got ", text));
  }
  return *shard;
}

PromptTemplate parse_template(const std::string& source) {
  try {
    return PromptTemplate(source);
  } catch (const Error& error) {
    throw CLI::ValidationError("--prompt-template", error.what());
  }
}

// Empty, or what is wrong.
std::string check_utf8(const std::string& text) {
  return is_utf8(text) ? "" : "expected UTF-8";
}

}  // namespace

void add_input_options(CLI::App& command, InputOptions& input, LongPrompts& long_prompts) {
  const std::string group = "Input";
  command
      .add_option_function<std::string>(
          "--input-format",
          [&input](const std::string& name) { input.format = kInputFormats.at(name); },
          "JSON lines (plain, OpenAI batch or trtllm-bench rows), a prompt a line, or a table "
          "with\n"
          "a header; auto goes by .txt, .csv and .tsv in the input's name")
      ->check(CLI::IsMember(&kInputFormats))
      ->type_name("auto|jsonl|text|csv|tsv")
      ->default_str("auto")
      ->group(group);
  command
      .add_option("--prompt-column", input.prompts.column,
                  "Column of a table, or field of a JSON row, that is the prompt")
      ->check(CLI::Validator(check_utf8, ""))
      ->capture_default_str()
      ->group(group);
  command
      .add_option_function<std::string>(
          "--prompt-template",
          [&input](const std::string& source) {
            input.prompts.prompt_template = parse_template(source);
          },
          R"(Prompt made of a row's fields: "Translate: {text}\n"; {{ and }} are braces)")
      ->type_name("TEXT")
      ->group(group);
  command
      .add_option_function<uint64_t>(
          "--limit", [&input](uint64_t rows) { input.limit = rows; },
          "The first N rows of the input only")
      ->check(CLI::PositiveNumber)
      ->type_name("N")
      ->group(group);
  command
      .add_option_function<std::string>(
          "--shard", [&input](const std::string& text) { input.shard = shard_of(text); },
          "Part I, from 0, of N: every N-th row from row I on, as in a run of all; `eet merge` "
          "joins\n"
          "the outputs of all N")
      ->type_name("I/N")
      ->group(group);
  command
      .add_option_function<std::string>(
          "--on-long",
          [&long_prompts](const std::string& name) { long_prompts = kLongPrompts.at(name); },
          "A prompt that does not fit is an error row, or loses its beginning or its end to make\n"
          "room for max_tokens")
      ->check(CLI::IsMember(&kLongPrompts))
      ->type_name("error|truncate-left|truncate-right")
      ->default_str("error")
      ->group(group);
}

}  // namespace eet
