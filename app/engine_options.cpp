#include "app/engine_options.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>

#include "app/cli/number_range.h"
#include "lib/core/dtype.h"
#include "lib/parallel/engine_group.h"

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

// False for text that is neither a size nor auto.
bool parse_data_parallel_size(const std::string& text, DataParallelSize& size) {
  size.reset();
  if (text == "auto") return true;
  int number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  size = number;
  return error == std::errc() && stop == end && number >= 1 &&
         number <= static_cast<int>(EngineGroup::kMaxEngines);
}

const CLI::Validator kDataParallelSize(
    [](std::string& text) -> std::string {
      DataParallelSize size;
      if (parse_data_parallel_size(text, size)) return {};
      return concat("expected auto or 1 to ", EngineGroup::kMaxEngines, ", got ", text);
    },
    "");

const std::map<std::string, PromptPolicy> kPromptPolicies = {
    {"packed", PromptPolicy::kPacked},
    {"padded", PromptPolicy::kPadded},
    {"min-length", PromptPolicy::kMinLength},
    {"serial", PromptPolicy::kSerial},
};

const std::map<std::string, Schedule> kSchedules = {
    {"refill", Schedule::kRefill},
    {"static", Schedule::kStatic},
};

}  // namespace

void add_engine_options(CLI::App& command, EngineOptions& engine, std::string& schedule,
                        std::string& prompt_policy) {
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
      ->check(number_from(0.01, 1.0))
      ->capture_default_str()
      ->group(group);
  command.add_option("-t,--threads", engine.num_threads, "CPU threads (default: all cores)")
      ->check(CLI::PositiveNumber)
      ->group(group);
  command
      .add_option_function<std::string>(
          "--schedule",
          [&](const std::string& name) {
            schedule = name;
            engine.schedule = kSchedules.at(name);
          },
          "When waiting rows start: refill, as slots and memory come free; static, when the batch\n"
          "before has ended. The same tokens come out")
      ->check(CLI::IsMember(&kSchedules))
      ->default_str(schedule)
      ->group(group);
  command
      .add_option_function<std::string>(
          "--prompt-policy",
          [&](const std::string& name) {
            prompt_policy = name;
            engine.prompt_policy = kPromptPolicies.at(name);
          },
          "What is done with prompts of different lengths; the same tokens come out")
      ->check(CLI::IsMember(&kPromptPolicies))
      ->default_str(prompt_policy)
      ->group(group);
  command
      .add_option(
          "--sort-window", engine.sort_window,
          "Rows sorted by length, or by what their prompts begin with, together (default: 16\n"
          "batches)")
      ->check(CLI::PositiveNumber)
      ->group(group);
  command
      .add_flag_callback(
          "--no-prefix-sharing", [&engine] { engine.share_prefixes = false; },
          "Compute and store every prompt alone, however many begin alike; the same tokens come "
          "out")
      ->group(group);
}

void add_data_parallel_option(CLI::App& command, DataParallelSize& size) {
  command
      .add_option_function<std::string>(
          "--data-parallel-size",
          [&size](const std::string& text) { parse_data_parallel_size(text, size); },
          "GPUs that share the rows, each with all of the model; auto takes every one of cuda:0's\n"
          "kind. The same tokens come out. A job goes on when a GPU fails, without it if need be")
      ->check(kDataParallelSize)
      ->type_name("N|auto")
      ->default_str(size ? std::to_string(*size) : "auto")
      ->group("Engine");
}

}  // namespace eet
