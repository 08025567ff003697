#include "app/bench/options.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <map>
#include <utility>

#include "app/bench/int_list.h"
#include "app/cli/number_range.h"
#include "app/config_options.h"
#include "app/engine_options.h"
#include "lib/core/error.h"

namespace eet {
namespace {

const std::map<std::string, ResultFormat> kFormats = {
    {"md", ResultFormat::kMarkdown},
    {"csv", ResultFormat::kCsv},
    {"json", ResultFormat::kJson},
    {"jsonl", ResultFormat::kJsonl},
};

// A flag whose text `parse` understands; its Error becomes a usage error.
template <typename Value, typename Parse>
CLI::Option* add_parsed(CLI::App& command, const std::string& name, Value& value, Parse parse,
                        const std::string& help) {
  return command.add_option_function<std::string>(
      name,
      [name, &value, parse](const std::string& text) {
        try {
          value = parse(text);
        } catch (const Error& error) {
          throw CLI::ValidationError(name, error.what());
        }
      },
      help);
}

CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<int>& numbers,
                      const std::string& help) {
  return add_parsed(command, name, numbers, parse_int_list, help)->type_name("N,N-N+N,...");
}

void add_model_options(CLI::App& command, BenchOptions& options) {
  add_config_options(command, options.config_policy);
  command.add_option("-m,--model", options.models, "Models, each as `eet generate` takes it")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      .add_option("--config", options.configs,
                  "Shapes: config.json files of Hugging Face, or directories that hold one;\n"
                  "weights are drawn at random")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_flag("--random-weights", options.random_weights,
                   "Draw the weights of -m too, instead of loading them");
}

void add_test_options(CLI::App& command, BenchOptions& options) {
  TestPlan& tests = options.tests;
  const std::string group = "Tests";
  add_list(command, "-p,--n-prompt", tests.prompts, "Prefill: tokens of a prompt; 0: no such test")
      ->default_str("512")
      ->group(group);
  add_list(command, "-n,--n-gen", tests.generated, "Decode: tokens to generate; 0: no such test")
      ->default_str("128")
      ->group(group);
  add_list(command, "-d,--n-depth", tests.depths, "Tokens cached before those of -n")
      ->default_str("0")
      ->group(group);
  add_parsed(command, "--pg", tests.pairs, parse_pair_list,
             "Whole requests: prompt and generated tokens")
      ->type_name("P+N,...")
      ->group(group);
  add_list(command, "-b,--batch", tests.batches,
           "Rows of a test, which run together; for --pg requests, of which --max-num-seqs run\n"
           "together where that is given and less")
      ->default_str("1")
      ->group(group);
  command
      .add_option("--ragged", tests.pad_fraction,
                  "Prompts of different lengths: share of the batch that left-padding would waste")
      ->check(number_from(0.0, 0.95))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--shared-prefix", options.requests.shared_prefix,
                  "First tokens that all prompts have in common")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--lengths", tests.lengths_file,
                  "One job of recorded lengths: a CSV file whose last two columns are context and\n"
                  "generated tokens")
      ->group(group);
  command
      .add_option("--max-requests", tests.length_limits.max_requests,
                  "The first requests of --lengths only")
      ->check(CLI::PositiveNumber)
      ->group(group);
  command
      .add_option("--max-context", tests.length_limits.max_context,
                  "Cut the contexts of --lengths to this")
      ->check(CLI::PositiveNumber)
      ->group(group);
  command
      .add_option("--max-output", tests.length_limits.max_output,
                  "Cut the generated tokens of --lengths to this")
      ->check(CLI::PositiveNumber)
      ->group(group);
  SamplingParams& params = options.requests.params;
  params.temperature = 0.0F;
  command.add_option("--temperature", params.temperature, "0 is greedy")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(group);
  command.add_option("--top-k", params.top_k, "0 or -1: off")->capture_default_str()->group(group);
  command.add_option("--top-p", params.top_p, "1: off")->capture_default_str()->group(group);
}

void add_sweep_options(CLI::App& command, BenchOptions& options) {
  SweepPlan& sweep = options.sweep;
  const std::string group = "The paper's chart";
  command
      .add_flag("--sweep-context", options.sweep_context,
                "Instead of tests: whole requests under the four prompt policies, as in the EET\n"
                "paper; without a model, of its shape (hidden 1024, 24 layers), GPT-2 124M and XL")
      ->group(group);
  command
      .add_option("--total-length", sweep.total_tokens, "Tokens of a request, its context included")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str()
      ->group(group);
  add_list(command, "--contexts", sweep.contexts, "Contexts, for -b rows (4)")
      ->default_str("1,64-960+64")
      ->group(group);
}

void add_report_options(CLI::App& command, BenchOptions& options) {
  const std::string group = "Report";
  command.add_option("-r,--repetitions", options.repeats.timed, "Timed runs of a test")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str()
      ->group(group);
  command
      .add_flag_callback(
          "--no-warmup", [&options] { options.repeats.warm_up = false; },
          "Time the first run too: for long tests")
      ->group(group);
  add_parsed(
      command, "-o,--output", options.format,
      [](const std::string& name) { return kFormats.at(name); }, "Format of the results")
      ->check(CLI::IsMember(&kFormats))
      ->default_str("md")
      ->group(group);
  command
      .add_flag("--explain", options.explain,
                "Print on stderr how the limit of each test is computed")
      ->group(group);
}

bool given(const CLI::App& command, const char* name) {
  return command.get_option(name)->count() > 0;
}

}  // namespace

void add_bench_options(CLI::App& command, BenchOptions& options) {
  add_model_options(command, options);
  add_test_options(command, options);
  add_sweep_options(command, options);
  add_report_options(command, options);
  add_engine_options(command, options.engine, options.schedule, options.prompt_policy);
  add_data_parallel_option(command, options.data_parallel_size);
  command.footer(
      R"(t/s: prompt tokens for pp, generated tokens for tg, whole requests and --lengths; the median of
-r runs after one to warm up, and their standard deviation. ms/step: of a decode step; for pp, of a
prompt pass. % of limit: the time that the bytes and operations of the same passes take at the
bandwidth and matrix rate that this run measured, by the time they took (--explain); "cached" where
the weights fit the device's last cache, so that the bandwidth of its memory is no limit.

Examples:
  eet bench --config samples/shapes/llama-3-8b -p 512 -n 128 -d 512,1024 -b 1,32,128
  eet bench --config samples/shapes/gpt2-124m --pg 512+128 -b 128 --ragged 0.5 -o jsonl
  eet bench -m MODEL --pg 1000+1000 -b 4096 --max-num-seqs 256
  eet bench -m MODEL --lengths trace.csv --max-requests 4096 --schedule static
  eet bench --sweep-context -o csv)");
}

void complete_bench_options(const CLI::App& command, BenchOptions& options) {
  TestPlan& tests = options.tests;
  const bool no_model = options.models.empty() && options.configs.empty();
  if (no_model && !options.sweep_context) {
    throw CLI::ValidationError("-m,--config", "expected a model or a shape");
  }
  if (options.sweep_context && options.data_parallel_size != 1) {
    throw CLI::ValidationError("--data-parallel-size", "--sweep-context runs on one device");
  }
  for (const int batch : tests.batches) {
    if (batch < 1) throw CLI::ValidationError("-b,--batch", "expected at least 1 row");
  }
  // A decode step of these policies also feeds prompts, so that there is no time of decoding alone.
  const PromptPolicy policy = options.engine.prompt_policy;
  const bool replays = replays_prompts(policy);
  const bool chosen = given(command, "-p") || given(command, "-n") || given(command, "--pg") ||
                      given(command, "--lengths");
  if (!chosen) {
    tests.prompts = {512};
    if (!replays) tests.generated = {128};
  }
  // 0: no such test.
  std::erase(tests.prompts, 0);
  std::erase(tests.generated, 0);
  if (replays && !tests.generated.empty()) {
    throw CLI::ValidationError("-n", "not with --prompt-policy " + options.prompt_policy +
                                         ", which feeds prompts in decode steps; use --pg");
  }
  const bool has_batches =
      !tests.prompts.empty() || !tests.generated.empty() || !tests.pairs.empty();
  if (!has_batches && tests.lengths_file.empty() && !options.sweep_context) {
    throw CLI::ValidationError("-p,-n",
                               "expected a test: -p, -n, --pg, --lengths or --sweep-context");
  }
  // The rows of a batch have slots of their own.
  if (options.engine.max_num_seqs == 0 && (has_batches || given(command, "-b"))) {
    options.engine.max_num_seqs = *std::max_element(tests.batches.begin(), tests.batches.end());
  }
  options.sweep.pad_fraction = tests.pad_fraction;
  options.sweep.repeats = options.repeats;
  if (given(command, "-b")) options.sweep.batch = tests.batches.front();
}

}  // namespace eet
