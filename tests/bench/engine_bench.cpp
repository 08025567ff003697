// Times the engine with random weights: the counterpart of transformers_generate.py, and with
// --cpu-prefill the CPU's prefill against this machine's own sgemm. Prints one JSON line a run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <random>

#include "lib/core/thread_pool.h"
#include "lib/engine.h"
#include "tests/bench/sgemm_rate.h"
#include "tests/bench/shapes.h"

namespace eet {
namespace {

struct BenchOptions {
  std::string shape = "124m";
  std::string device = "auto";
  std::string dtype;
  std::string policy = "packed";
  int batch = 128;
  int prompt_tokens = 512;
  int new_tokens = 128;
  double pad_fraction = 0.0;  // of batch * prompt_tokens, when prompts are ragged
  int repeats = 3;
  int num_threads = 0;
  int max_num_batched_tokens = 0;
  bool cpu_prefill = false;
};

// One timed run over the batch.
struct Timing {
  double seconds = 0;  // wall clock, from the first request to the last token
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

PromptPolicy parse_policy(const std::string& name) {
  if (name == "packed") return PromptPolicy::kPacked;
  if (name == "padded") return PromptPolicy::kPadded;
  if (name == "min-length") return PromptPolicy::kMinLength;
  return PromptPolicy::kSerial;
}

// Prompt lengths whose mean is (1 - pad_fraction) of the longest, spread evenly.
std::vector<int> prompt_lengths(const BenchOptions& options) {
  const double longest = options.prompt_tokens;
  const double mean = (1.0 - options.pad_fraction) * longest;
  const double low = std::max(1.0, 2.0 * mean - longest);
  const double high = 2.0 * mean - low;
  std::vector<int> lengths;
  for (int i = 0; i < options.batch; ++i) {
    const double share = options.batch == 1 ? 1.0 : static_cast<double>(i) / (options.batch - 1);
    lengths.push_back(static_cast<int>(low + share * (high - low)));
  }
  lengths.back() = options.prompt_tokens;
  std::shuffle(lengths.begin(), lengths.end(), std::mt19937(3));
  return lengths;
}

std::vector<Request> make_requests(const BenchOptions& options, const ModelConfig& config) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int32_t> any_id(3, static_cast<int32_t>(config.vocab_size) - 1);
  std::vector<Request> requests;
  for (const int length : prompt_lengths(options)) {
    Request request;
    request.prompt.resize(static_cast<size_t>(length));
    for (int32_t& id : request.prompt) id = any_id(random);
    request.params.temperature = 0.0F;
    request.params.max_tokens = options.new_tokens;
    request.params.ignore_eos = true;
    requests.push_back(std::move(request));
  }
  return requests;
}

int64_t count_prompt_tokens(const std::vector<Request>& requests) {
  int64_t tokens = 0;
  for (const Request& request : requests) tokens += static_cast<int64_t>(request.prompt.size());
  return tokens;
}

Timing run_once(Engine& engine, std::vector<Request> requests, uint64_t first_row) {
  const EngineStats before = engine.stats();
  const auto start = std::chrono::steady_clock::now();
  for (Request& request : requests) {
    request.row = first_row++;
    if (const auto error = engine.check(request)) throw Error(error->message);
    engine.add_request(std::move(request));
  }
  while (engine.has_work()) engine.step();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const EngineStats& after = engine.stats();
  return {elapsed.count(), after.prefill_seconds - before.prefill_seconds,
          after.decode_seconds - before.decode_seconds};
}

// One warm-up, then `repeats` runs, by wall clock ascending.
std::vector<Timing> run_repeats(Engine& engine, const std::vector<Request>& requests, int repeats) {
  std::vector<Timing> timings;
  for (int i = 0; i <= repeats; ++i) {
    const Timing timing = run_once(engine, requests, requests.size() * static_cast<size_t>(i));
    if (i > 0) timings.push_back(timing);
  }
  std::sort(timings.begin(), timings.end(),
            [](const Timing& a, const Timing& b) { return a.seconds < b.seconds; });
  return timings;
}

// Multiplications and additions of the blocks for all prompts: 2 per weight and token, and causal
// attention's 2 * heads * head_dim * length per token and layer. The LM head is left out.
double prefill_flops(const ModelConfig& config, const std::vector<Request>& requests) {
  const int64_t mlp_matrices = config.gated_mlp ? 3 : 2;
  const int64_t layer_weights = config.hidden_size * (config.qkv_size() + config.attention_size() +
                                                      mlp_matrices * config.intermediate_size);
  double flops = 0;
  for (const Request& request : requests) {
    const auto length = static_cast<double>(request.prompt.size());
    const double per_token = 2.0 * static_cast<double>(layer_weights) +
                             2.0 * static_cast<double>(config.attention_size()) * length;
    flops += length * per_token * static_cast<double>(config.num_layers);
  }
  return flops;
}

void run_bench(const BenchOptions& options) {
  const ModelConfig config = shape_config(options.shape);
  EngineOptions engine_options;
  engine_options.device = options.cpu_prefill ? "cpu" : options.device;
  if (!options.dtype.empty()) engine_options.dtype = parse_dtype(options.dtype);
  engine_options.max_num_seqs = options.batch;
  engine_options.max_num_batched_tokens = options.max_num_batched_tokens;
  engine_options.max_model_len = options.prompt_tokens + options.new_tokens;
  engine_options.num_threads = options.num_threads;
  engine_options.prompt_policy = parse_policy(options.policy);
  Engine engine(config, TensorLoader(), engine_options);

  const std::vector<Request> requests = make_requests(options, config);
  const int64_t prompt_tokens = count_prompt_tokens(requests);
  const std::vector<Timing> timings = run_repeats(engine, requests, options.repeats);
  const Timing& median = timings[timings.size() / 2];
  const double output_tokens = static_cast<double>(options.batch) * options.new_tokens;
  nlohmann::ordered_json line = {
      {"engine", "eet"},
      {"shape", options.shape},
      {"device", engine.device_name()},
      {"dtype", std::string(dtype_name(engine.dtype()))},
      {"policy", options.policy},
      {"batch", options.batch},
      {"prompt", options.prompt_tokens},
      {"new", options.new_tokens},
      {"pad_fraction",
       1.0 - static_cast<double>(prompt_tokens) / options.batch / options.prompt_tokens},
      {"seconds", median.seconds},
      {"seconds_min", timings.front().seconds},
      {"seconds_max", timings.back().seconds},
      {"prefill_seconds", median.prefill_seconds},
      {"decode_seconds", median.decode_seconds},
      {"prefill_tokens_per_s", static_cast<double>(prompt_tokens) / median.prefill_seconds},
      {"output_tokens_per_s", output_tokens / median.seconds},
      {"peak_device_bytes", engine.peak_device_bytes()}};
  if (options.cpu_prefill) {
    const int threads = options.num_threads > 0 ? options.num_threads : available_cores();
    const double rate = prefill_flops(config, requests) / median.seconds;
    line["threads"] = threads;
    line["prefill_gflops"] = rate * 1e-9;
    if (const std::optional<double> sgemm = measure_sgemm_rate(threads)) {
      line["sgemm_gflops"] = *sgemm * 1e-9;
      line["prefill_of_sgemm"] = rate / *sgemm;
    }
  }
  std::printf("%s\n", line.dump().c_str());
}

int run_main(int argc, char** argv) {
  BenchOptions options;
  CLI::App app("Times the engine with random weights; prints one JSON line");
  app.add_option("--shape", options.shape)->check(CLI::IsMember(shape_names()));
  app.add_option("--device", options.device, "auto, cpu, cuda, cuda:N");
  app.add_option("--dtype", options.dtype)->check(CLI::IsMember({"fp32", "fp16", "bf16"}));
  app.add_option("--policy", options.policy)
      ->check(CLI::IsMember({"packed", "padded", "min-length", "serial"}));
  app.add_option("-b,--batch", options.batch)->check(CLI::PositiveNumber);
  app.add_option("-p,--prompt", options.prompt_tokens)->check(CLI::PositiveNumber);
  app.add_option("-n,--new", options.new_tokens)->check(CLI::PositiveNumber);
  app.add_option("--ragged", options.pad_fraction,
                 "share of batch x prompt that left-padding would waste")
      ->check(CLI::Range(0.0, 0.95));
  app.add_option("--repeats", options.repeats)->check(CLI::PositiveNumber);
  app.add_option("-t,--threads", options.num_threads);
  app.add_option("--max-num-batched-tokens", options.max_num_batched_tokens);
  app.add_flag("--cpu-prefill", options.cpu_prefill,
               "prompts and one token on the CPU, compared with OpenBLAS sgemm on as many threads");
  CLI11_PARSE(app, argc, argv);
  if (options.cpu_prefill) options.new_tokens = 1;
  run_bench(options);
  return 0;
}

}  // namespace
}  // namespace eet

int main(int argc, char** argv) {
  try {
    return eet::run_main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "engine_bench: %s\n", error.what());
    return 1;
  }
}
