#include "app/options.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <system_error>

#include "lib/core/dtype.h"

namespace eet {
namespace {

const CLI::Validator kDevice(
    [](std::string& text) -> std::string {
      constexpr std::string_view kPrefix = "cuda:";
      if (text == "auto" || text == "cpu" || text == "cuda") return {};
      const std::string_view index =
          text.starts_with(kPrefix) ? std::string_view(text).substr(kPrefix.size()) : "";
      const bool digits =
          !index.empty() && index.size() <= 4 &&
          std::all_of(index.begin(), index.end(), [](char c) { return c >= '0' && c <= '9'; });
      return digits ? std::string() : "expected auto, cpu, cuda or cuda:N, got " + text;
    },
    "");

const CLI::Validator kDType(
    [](std::string& text) -> std::string {
      return text == "auto" || parse_dtype(text) ? std::string()
                                                 : "expected auto, fp32, fp16 or bf16, got " + text;
    },
    "");

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

const std::map<std::string, PromptPolicy> kPromptPolicies = {
    {"packed", PromptPolicy::kPacked},
    {"padded", PromptPolicy::kPadded},
    {"min-length", PromptPolicy::kMinLength},
    {"serial", PromptPolicy::kSerial},
};

void add_job_options(CLI::App& command, GenerateOptions& options) {
  command
      .add_option("-m,--model", options.model,
                  "Model: a directory of `eet convert` or of Hugging Face, or a llama2.c .bin file")
      ->required();
  command.add_option(
      "--tokenizer", options.tokenizer,
      "Directory, *.model or tokenizer.json, where the model's own is not beside it");
  command.add_option("-i,--input", options.input, "Prompts, one JSON object a line; - is stdin")
      ->required();
  command.add_option("-o,--output", options.output, "Completions, in input order; - is stdout")
      ->capture_default_str();
  command.add_flag("--output-token-ids", options.format.token_ids,
                   "Add token_ids to each row: all generated, the stop token included");
  command.add_flag("--logprobs", options.format.logprobs,
                   "Add logprobs to each row: the log-probability of each generated token");
  command.add_flag("--echo", options.echo, "Put the prompt in front of the text");
  command.add_option("--stats", options.stats, "Write times, counts and memory to this JSON file");
  command.add_flag("-q,--quiet", options.quiet, "Print errors and warnings only");
}

void add_engine_options(CLI::App& command, GenerateOptions& options) {
  EngineOptions& engine = options.engine;
  const std::string group = "Engine";
  command.add_option("--device", engine.device, "Where to run; auto takes a GPU if there is one")
      ->check(kDevice)
      ->type_name("auto|cpu|cuda[:N]")
      ->capture_default_str()
      ->group(group);
  command
      .add_option_function<std::string>(
          "--dtype", [&engine](const std::string& name) { engine.dtype = parse_dtype(name); },
          "Type of weights and activations; auto is the checkpoint's on a GPU (fp32 runs as "
          "bf16),\n"
          "fp32 on the CPU")
      ->check(kDType)
      ->type_name("auto|fp32|fp16|bf16")
      ->default_str("auto")
      ->group(group);
  command
      .add_option("--max-num-seqs", engine.max_num_seqs,
                  "Rows that run together (default: what memory allows)")
      ->check(CLI::PositiveNumber)
      ->group(group);
  command
      .add_option("--max-num-batched-tokens", engine.max_num_batched_tokens,
                  "Tokens of one forward pass (default: the device's)")
      ->check(CLI::PositiveNumber)
      ->group(group);
  command
      .add_option("--max-model-len", engine.max_model_len,
                  "Prompt and generated tokens of a row together (default: the model's)")
      ->check(CLI::PositiveNumber)
      ->group(group);
  command
      .add_option("--gpu-memory-utilization", engine.gpu_memory_utilization,
                  "Share of the GPU's memory that may be used")
      ->check(CLI::Range(0.01, 1.0))
      ->capture_default_str()
      ->group(group);
  command.add_option("-t,--threads", engine.num_threads, "CPU threads (default: all cores)")
      ->check(CLI::PositiveNumber)
      ->group(group);
  command
      .add_option("--schedule", options.schedule,
                  "static: a batch runs until its last row has ended")
      ->check(CLI::IsMember({"static"}))
      ->capture_default_str()
      ->group(group);
  command
      .add_option_function<std::string>(
          "--prompt-policy",
          [&options](const std::string& name) {
            options.prompt_policy = name;
            options.engine.prompt_policy = kPromptPolicies.at(name);
          },
          "What is done with prompts of different lengths; the same tokens come out")
      ->check(CLI::IsMember(&kPromptPolicies))
      ->default_str(options.prompt_policy)
      ->group(group);
  command
      .add_option("--sort-window", engine.sort_window,
                  "Rows sorted by prompt length together (default: 16 batches)")
      ->check(CLI::PositiveNumber)
      ->group(group);
}

void add_sampling_options(CLI::App& command, GenerateOptions& options) {
  SamplingParams& params = options.params;
  const std::string group = "Defaults for rows that do not say";
  const auto add = [&](const std::string& name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->capture_default_str()->group(group);
  };
  add("--max-tokens,--max-new-tokens,--max-completion-tokens", params.max_tokens,
      "Tokens to generate at most");
  add("--min-tokens", params.min_tokens, "No stop before this many tokens");
  add("--temperature", params.temperature, "0 is greedy");
  add("--top-k", params.top_k, "0 or -1: off");
  add("--top-p", params.top_p, "1: off");
  add("--min-p", params.min_p, "0: off");
  add("--repetition-penalty", params.repetition_penalty, "1: off");
  add("--presence-penalty", params.presence_penalty, "0: off");
  add("--frequency-penalty", params.frequency_penalty, "0: off");
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
  add("--seed", options.engine.seed,
      "Of the job; each row draws from its own stream of it, unless it has a seed itself")
      ->check(kSeed);
}

}  // namespace

void add_generate_options(CLI::App& command, GenerateOptions& options) {
  add_job_options(command, options);
  add_engine_options(command, options);
  add_sampling_options(command, options);
  command.footer(R"(Examples:
  eet generate -m samples/models/tales-llama -i samples/prompts.jsonl -o out.jsonl
  eet generate -m MODEL -i - --temperature 0 --max-tokens 64 < prompts.jsonl > out.jsonl
  eet generate -m MODEL -i prompts.jsonl -o out.jsonl --stop $'\n' --stats stats.json

Exit codes: 0 all rows good, 1 fatal error, 2 wrong usage, 3 finished with failed rows.)");
}

}  // namespace eet
