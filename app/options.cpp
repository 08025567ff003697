#include "app/options.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <charconv>
#include <system_error>

#include "app/chat_flags.h"
#include "app/config_options.h"
#include "app/engine_options.h"
#include "app/input_options.h"
#include "app/output_format.h"
#include "app/safety_options.h"

namespace eet {
namespace {

const CLI::Validator kNotEmpty(
    [](std::string& text) -> std::string {
      return text.empty() ? "expected at least one character" : std::string();
    },
    "");

// CLI11 takes "-1" for 2^64 - 1, and cuts larger numbers down to it.
const CLI::Validator kSeed(
    [](std::string& text) -> std::string {
      uint64_t seed = 0;
      const char* end = text.data() + text.size();
      const std::from_chars_result read = std::from_chars(text.data(), end, seed);
      const bool good = read.ec == std::errc() && read.ptr == end;
      return good ? std::string() : "expected an integer from 0 to 2^64 - 1, got " + text;
    },
    "");

const std::map<std::string, ProgressStyle> kProgressStyles = {
    {"auto", ProgressStyle::kAuto},
    {"bar", ProgressStyle::kBar},
    {"lines", ProgressStyle::kLines},
    {"none", ProgressStyle::kNone},
};

void add_row_options(CLI::App& command, GenerateOptions& options) {
  command
      .add_option_function<int32_t>(
          "--top-logprobs",
          [&options](int32_t count) {
            options.top_logprobs = count;
            options.logprobs = true;
          },
          "Add logprobs, and top_logprobs: the N likeliest tokens in the place of each")
      ->check(CLI::Range(1, int{kMaxTopLogprobs}))
      ->type_name("N");
  command.add_flag("--echo", options.echo, "Put the prompt in front of the text");
  command.add_flag(
      "--dry-run", options.dry_run,
      "Read the input, run the model for a moment, and say what is in the one and how long the\n"
      "other will take, as `eet validate`, which has more to set");
}

void add_sampling_options(CLI::App& command, GenerateOptions& options) {
  SamplingParams& params = options.params;
  const std::string group = "Defaults for rows that do not say";
  const auto add = [&](const std::string& name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->capture_default_str()->group(group);
  };
  const auto add_param = [&](const std::string& flags, const std::string& name, auto& value,
                             const std::string& help) {
    add(flags, value, help)->each([&options, name](const std::string& /*text*/) {
      options.set_by_flag.insert(name);
    });
  };
  add_param("--max-tokens,--max-new-tokens,--max-completion-tokens", "max_tokens",
            params.max_tokens, "Tokens to generate at most");
  add_param("--min-tokens", "min_tokens", params.min_tokens, "No stop before this many tokens");
  add_param("--temperature", "temperature", params.temperature, "0 is greedy");
  add_param("--top-k", "top_k", params.top_k, "0 or -1: off");
  add_param("--top-p", "top_p", params.top_p, "1: off");
  add_param("--min-p", "min_p", params.min_p, "0: off");
  add_param("--repetition-penalty", "repetition_penalty", params.repetition_penalty, "1: off");
  add_param("--presence-penalty", "presence_penalty", params.presence_penalty, "0: off");
  add_param("--frequency-penalty", "frequency_penalty", params.frequency_penalty, "0: off");
  add("--generation-config", options.generation_config,
      "Where the values that no flag and no row gives come from: auto is the model's\n"
      "generation_config.json, none leaves it out, else a file or directory")
      ->type_name("auto|none|PATH");
  command.add_option("--stop", options.stop, "Text that ends a row (repeatable)")
      ->check(kNotEmpty)
      ->allow_extra_args(false)
      ->group(group);
  command.add_option("--stop-token-ids", params.stop_token_ids, "Tokens that end a row: 1,2,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(group);
  command.add_flag("--ignore-eos", params.ignore_eos, "Do not stop at the model's EOS")
      ->group(group);
  add("-n,--n", params.n, "Completions of each prompt");
  add("--best-of", params.best_of,
      "Completions to generate, of which the n likeliest (by mean log-probability) are kept; 0: n");
  add("--seed", options.engine.seed,
      "Of the job; each row draws from its own stream of it, unless it has a seed itself")
      ->check(kSeed);
}

}  // namespace

void add_job_options(CLI::App& command, GenerateOptions& options) {
  command
      .add_option(
          "-m,--model", options.model,
          "Model: a directory of `eet convert` or of Hugging Face, a .gguf or llama2.c .bin file,\n"
          "or the name of a model that is in the local Hugging Face cache: "
          "org/name[@revision]")
      ->required();
  add_config_options(command, options.config_policy);
  command.add_option(
      "--tokenizer", options.tokenizer,
      "Directory, *.model, tokenizer.json or *.gguf, where the model's own is not beside it");
  command
      .add_option(
          "-i,--input", options.inputs,
          "Prompts: JSON lines, text or a table; - is stdin. Several are read one after the\n"
          "other, as one")
      ->type_name("PATH")
      ->required();
  command
      .add_option("-o,--output", options.output,
                  "Completions or scores; - is stdout. Names that end in .csv or .tsv are tables,\n"
                  "and .gz, .xz or .zst compressed")
      ->capture_default_str();
  add_output_format_option(command, options);
  command.add_flag("--output-token-ids", options.format.token_ids,
                   "Add token_ids to each row: all generated, the stop token included, or scored");
  command.add_flag("--logprobs", options.logprobs,
                   "Add logprobs to each row: the log-probability of each of these tokens");
  command.add_option("--stats", options.stats, "Write times, counts and memory to this JSON file");
  command
      .add_option_function<std::string>(
          "--progress",
          [&options](const std::string& name) { options.progress = kProgressStyles.at(name); },
          "On stderr: a bar, a line every 10 s, or none; auto is a bar on a terminal")
      ->check(CLI::IsMember(&kProgressStyles))
      ->type_name("auto|bar|lines|none")
      ->default_str("auto");
  command
      .add_option_function<std::string>(
          "--on-error",
          [&options](const std::string& name) { options.fail_on_bad_row = name == "fail"; },
          "A bad row takes its place in the output (row), or the first one ends the job (fail)")
      ->check(CLI::IsMember({"row", "fail"}))
      ->type_name("row|fail")
      ->default_str("row");
  command.add_flag("--keep-going", options.keep_going,
                   "Run the rest also when the first 200 rows all fail for the same reason");
  command.add_flag("-q,--quiet", options.quiet, "Print errors and warnings only");
}

void add_generate_options(CLI::App& command, GenerateOptions& options) {
  add_job_options(command, options);
  add_input_options(command, options.input_options, options.long_prompts);
  add_chat_options(command, options.chat);
  add_row_options(command, options);
  add_safety_options(command, options.safety);
  add_engine_options(command, options.engine, options.schedule, options.prompt_policy);
  add_data_parallel_option(command, options.data_parallel_size);
  add_sampling_options(command, options);
  command.footer(R"(Examples:
  eet generate -m samples/models/tales-llama -i samples/prompts.jsonl -o out.jsonl
  eet generate -m MODEL -i - --temperature 0 --max-tokens 64 < prompts.jsonl > out.jsonl
  eet generate -m MODEL -i prompts.jsonl -o out.jsonl --stop $'\n' --stats stats.json

Exit codes: 0 all rows good, 1 fatal error, 2 wrong usage, 3 finished with failed rows,
130 or 143 interrupted by SIGINT or SIGTERM: the same command with --resume goes on.)");
}

}  // namespace eet
