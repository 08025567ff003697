#include "tests/golden/golden_data.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "weights_tools/checkpoint.h"

#if EET_HAVE_CUDA
#include <cuda_runtime_api.h>
#endif

namespace eet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kRoot = EET_SOURCE_DIR;
const fs::path kSharedModels = kRoot / ".." / "shared" / "data" / "models";

std::vector<json> read_jsonl(const fs::path& path) {
  std::ifstream file(path);
  require(file.good(), path.string(), ": cannot be read");
  std::vector<json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line));
  return rows;
}

// Rows of make_hf_goldens.py: every token with its log-probability and gap.
std::vector<GoldenRow> read_hf_rows(const fs::path& path) {
  std::vector<GoldenRow> rows;
  for (const json& row : read_jsonl(path)) {
    rows.push_back({.prompt = row.at("prompt_token_ids"),
                    .tokens = row.at("greedy_token_ids"),
                    .logprobs = row.at("greedy_logprobs"),
                    .gaps = row.at("top2_gaps"),
                    .stop_token_ids = {}});
  }
  return rows;
}

// Rows of the shared trained models: ids, and the smallest gap of the row.
std::vector<GoldenRow> read_margin_rows(const fs::path& path) {
  std::vector<GoldenRow> rows;
  for (const json& json_row : read_jsonl(path)) {
    GoldenRow row;
    row.prompt = json_row.at("prompt_ids").get<std::vector<int32_t>>();
    row.tokens = json_row.at("expected_ids").get<std::vector<int32_t>>();
    row.gaps.assign(row.tokens.size(), json_row.at("min_top2_margin").get<float>());
    if (json_row.value("stopped", "") == "bos") row.stop_token_ids = {row.tokens.back()};
    rows.push_back(std::move(row));
  }
  return rows;
}

// All 3^6 inputs of the sorting model; its gaps are above 2.9.
std::vector<GoldenRow> read_nano_sort_rows(const fs::path& path) {
  std::vector<GoldenRow> rows;
  for (const json& row : read_jsonl(path)) {
    const std::vector<int32_t> expected = row.at("expected");
    rows.push_back({.prompt = row.at("prompt"),
                    .tokens = expected,
                    .logprobs = {},
                    .gaps = std::vector<float>(expected.size(), 2.9F),
                    .stop_token_ids = {}});
  }
  return rows;
}

// Cases whose expected ids begin with the prompt; their gaps are not known.
std::vector<GoldenRow> read_tiny_random_rows(const fs::path& path) {
  std::ifstream file(path);
  require(file.good(), path.string(), ": cannot be read");
  std::vector<GoldenRow> rows;
  const json document = json::parse(file);
  for (const json& item : document.at("greedy")) {
    GoldenRow row;
    row.prompt = item.at("prompt").get<std::vector<int32_t>>();
    const std::vector<int32_t> all = item.at("expected");
    row.tokens.assign(all.begin() + static_cast<std::ptrdiff_t>(row.prompt.size()), all.end());
    rows.push_back(std::move(row));
  }
  return rows;
}

void add_model_directories(std::vector<Golden>& goldens, const fs::path& parent) {
  std::vector<fs::path> models;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent)) {
    if (fs::exists(entry.path() / "golden.jsonl")) models.push_back(entry.path());
  }
  std::sort(models.begin(), models.end());
  for (const fs::path& model : models) {
    goldens.push_back({model.filename().string(), model, read_hf_rows(model / "golden.jsonl")});
  }
}

}  // namespace

std::vector<Golden> checked_in_goldens() {
  std::vector<Golden> goldens;
  add_model_directories(goldens, kRoot / "samples" / "models");
  add_model_directories(goldens, kRoot / "tests" / "golden" / "models");
  return goldens;
}

std::vector<Golden> gguf_goldens() {
  std::vector<Golden> goldens;
  add_model_directories(goldens, kRoot / "tests" / "golden" / "gguf");
  for (Golden& golden : goldens) golden.model /= "model.gguf";
  return goldens;
}

std::vector<Golden> shared_goldens() {
  if (!fs::exists(kSharedModels)) return {};
  const fs::path stories = kSharedModels / "llama-stories260k";
  const fs::path nano_sort = kSharedModels / "gpt2-nano-sort";
  const fs::path slm4096 = kSharedModels / "gpt2-slm4096-char";
  const fs::path tiny_random = kSharedModels / "gpt2-tiny-random";
  const std::vector<GoldenRow> stories_rows = read_margin_rows(stories / "golden_greedy.jsonl");
  return {
      {"stories260k-hf", stories / "hf", stories_rows},
      {"stories260k-legacy-bin", stories / "stories260K.bin", stories_rows},
      {"stories260k-v1-bin", stories / "stories260K_v1.bin", stories_rows},
      {"nano-sort", nano_sort, read_nano_sort_rows(nano_sort / "golden_greedy.jsonl")},
      {"slm4096", slm4096, read_margin_rows(slm4096 / "golden_greedy.jsonl")},
      {"tiny-random", tiny_random, read_tiny_random_rows(tiny_random / "golden.json")},
  };
}

std::vector<Completion> run_requests(Engine& engine, const std::vector<Request>& requests) {
  std::unordered_map<uint64_t, size_t> index_of_row;
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::optional<RowError> refused = engine.check(requests[i]);
    require(!refused, "row ", requests[i].row, ": ", refused ? refused->message : "");
    index_of_row.emplace(requests[i].row, i);
    engine.add_request(requests[i]);
  }
  std::vector<Completion> completions(requests.size());
  while (engine.has_work()) {
    for (const TokenOutput& output : engine.step()) {
      require(!output.error, "row ", output.row, ": ", output.error ? output.error->message : "");
      Completion& completion = completions[index_of_row.at(output.row)];
      completion.tokens.push_back(output.token_id);
      completion.logprobs.push_back(output.logprob);
      completion.finish = output.finish;
    }
  }
  return completions;
}

std::vector<Completion> run_golden(const Golden& golden, const EngineOptions& options) {
  const Checkpoint checkpoint = open_checkpoint(golden.model);
  Engine engine(checkpoint.config, checkpoint.loader, options);
  std::vector<Request> requests;
  for (const GoldenRow& row : golden.rows) {
    Request request;
    request.row = requests.size();
    request.prompt = row.prompt;
    request.params.temperature = 0.0F;
    request.params.max_tokens = static_cast<int32_t>(row.tokens.size());
    request.params.stop_token_ids = row.stop_token_ids;
    requests.push_back(std::move(request));
  }
  return run_requests(engine, requests);
}

std::optional<size_t> first_difference(const GoldenRow& row, const std::vector<int32_t>& tokens) {
  const auto [golden, got] =
      std::mismatch(row.tokens.begin(), row.tokens.end(), tokens.begin(), tokens.end());
  if (golden == row.tokens.end() && got == tokens.end()) return std::nullopt;
  return static_cast<size_t>(golden - row.tokens.begin());
}

float gap_at(const GoldenRow& row, size_t index) {
  return index < row.gaps.size() ? row.gaps[index] : 0.0F;
}

float largest_logprob_error(const GoldenRow& row, const std::vector<float>& logprobs) {
  float largest = 0.0F;
  for (size_t i = 0; i < std::min(row.logprobs.size(), logprobs.size()); ++i) {
    const float error = std::abs(row.logprobs[i] - logprobs[i]);
    if (!(error <= largest)) largest = error;  // a NaN is kept
  }
  return largest;
}

EngineOptions on_device(const std::string& device, DType dtype, PromptPolicy policy) {
  EngineOptions options;
  options.device = device;
  options.dtype = dtype;
  options.prompt_policy = policy;
  return options;
}

bool have_gpu() {
#if EET_HAVE_CUDA
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
#else
  return false;
#endif
}

}  // namespace eet
