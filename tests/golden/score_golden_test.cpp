// Scores against the reference implementation's, and the same bits in any batch on a GPU.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>

#include "tests/golden/golden_data.h"
#include "weights_tools/checkpoint.h"

namespace eet {
namespace {

using nlohmann::json;

// Rows of make_score_goldens.py.
struct ScoredRow {
  Request request;
  std::vector<float> logprobs;
  std::vector<int> is_argmax;
};

using ScoreGoldens = std::map<std::string, std::vector<ScoredRow>>;  // by model directory

ScoreGoldens read_goldens() {
  std::ifstream file(EET_SOURCE_DIR "/tests/golden/scores.jsonl");
  REQUIRE(file.good());
  ScoreGoldens goldens;
  for (std::string line; std::getline(file, line);) {
    const json row = json::parse(line);
    std::vector<ScoredRow>& rows = goldens[row.at("model")];
    ScoredRow scored;
    scored.request.row = rows.size();
    scored.request.prompt = row.at("token_ids").get<std::vector<int32_t>>();
    scored.request.score_from = row.at("score_from").get<int32_t>();
    scored.logprobs = row.at("logprobs").get<std::vector<float>>();
    scored.is_argmax = row.at("is_argmax").get<std::vector<int>>();
    rows.push_back(std::move(scored));
  }
  return goldens;
}

struct Scores {
  std::vector<int32_t> token_ids;
  std::vector<float> logprobs;
  std::vector<int> is_argmax;
};

std::vector<Scores> score(Engine& engine, const std::vector<Request>& requests) {
  for (const Request& request : requests) {
    REQUIRE_FALSE(engine.check(request));
    engine.add_request(request);
  }
  std::vector<Scores> rows(requests.size());
  while (engine.has_work()) {
    for (const TokenOutput& output : engine.step()) {
      REQUIRE_FALSE(output.error);
      Scores& row = rows[output.row];
      row.token_ids.push_back(output.token_id);
      row.logprobs.push_back(output.logprob);
      row.is_argmax.push_back(output.is_argmax ? 1 : 0);
    }
  }
  return rows;
}

std::vector<Request> requests_of(const std::vector<ScoredRow>& rows) {
  std::vector<Request> requests;
  requests.reserve(rows.size());
  for (const ScoredRow& row : rows) requests.push_back(row.request);
  return requests;
}

// Every token's log-probability, and their sum, within 1e-3.
void check_model(const std::string& model, const std::vector<ScoredRow>& rows,
                 const EngineOptions& options) {
  CAPTURE(model);
  const Checkpoint checkpoint = open_checkpoint(std::string(EET_SOURCE_DIR "/") + model);
  Engine engine(checkpoint.config, checkpoint.loader, options);
  const std::vector<Scores> scores = score(engine, requests_of(rows));
  float largest = 0.0F;
  for (size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    const ScoredRow& expected = rows[i];
    const std::vector<int32_t>& prompt = expected.request.prompt;
    CHECK(std::equal(scores[i].token_ids.begin(), scores[i].token_ids.end(),
                     prompt.begin() + *expected.request.score_from, prompt.end()));
    REQUIRE(scores[i].logprobs.size() == expected.logprobs.size());
    CHECK(scores[i].is_argmax == expected.is_argmax);
    double sum_error = 0;
    for (size_t token = 0; token < expected.logprobs.size(); ++token) {
      const float error = std::abs(scores[i].logprobs[token] - expected.logprobs[token]);
      CHECK(error <= 1e-3F);
      largest = std::max(largest, error);
      sum_error += double{scores[i].logprobs[token]} - expected.logprobs[token];
    }
    CHECK(std::abs(sum_error) <= 1e-3);
  }
  std::printf("  %-48s %zu rows, log-probabilities within %g\n", model.c_str(), rows.size(),
              static_cast<double>(largest));
}

bool skipped_without_gpu() {
  if (have_gpu()) return false;
  MESSAGE("skipped: no GPU");
  return true;
}

TEST_CASE("scores on the CPU in fp32 equal the reference's within 1e-3") {
  for (const auto& [model, rows] : read_goldens()) {
    check_model(model, rows, on_device("cpu", DType::kF32));
  }
}

TEST_CASE("scores on the CPU are the reference's also in passes shorter than the rows") {
  EngineOptions options = on_device("cpu", DType::kF32);
  options.max_num_seqs = 3;
  options.max_num_batched_tokens = 50;
  for (const auto& [model, rows] : read_goldens()) check_model(model, rows, options);
}

TEST_CASE("scores on CUDA in fp32 equal the reference's within 1e-3") {
  if (skipped_without_gpu()) return;
  for (const auto& [model, rows] : read_goldens()) {
    check_model(model, rows, on_device("cuda", DType::kF32));
  }
}

// Every probe alone, then all of them together with neighbours. In fp32 cuBLASLt's products have up
// to three classes of bits over the number of rows (tests/kernels/gemm_test.cpp).
TEST_CASE("scores on CUDA have the same bits in any batch in 16 bit, nearly so in fp32") {
  if (skipped_without_gpu()) return;
  for (const auto& [model, rows] : read_goldens()) {
    const std::string golden_model = model;  // what a test captures is no structured binding
    const Checkpoint checkpoint = open_checkpoint(std::string(EET_SOURCE_DIR "/") + model);
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      CAPTURE(golden_model);
      CAPTURE(dtype_name(dtype));
      EngineOptions options = on_device("cuda", dtype);
      options.max_num_seqs = 1;
      Engine one(checkpoint.config, checkpoint.loader, options);
      const std::vector<Scores> alone = score(one, requests_of(rows));
      options.max_num_seqs = 16;
      options.max_num_batched_tokens = 700;
      Engine many(checkpoint.config, checkpoint.loader, options);
      std::vector<Request> requests = requests_of(rows);
      for (size_t copy = 0; copy < 3 * rows.size(); ++copy) {
        requests.push_back(rows[copy % rows.size()].request);
        requests.back().row = requests.size() - 1;
      }
      const std::vector<Scores> together = score(many, requests);
      for (size_t i = 0; i < requests.size(); ++i) {
        const std::vector<float>& expected = alone[i % rows.size()].logprobs;
        REQUIRE(together[i].logprobs.size() == expected.size());
        if (dtype == DType::kF32) {
          for (size_t t = 0; t < expected.size(); ++t) {
            CHECK(std::abs(together[i].logprobs[t] - expected[t]) < 1e-4F);
          }
          continue;
        }
        CHECK(std::memcmp(together[i].logprobs.data(), expected.data(),
                          expected.size() * sizeof(float)) == 0);
      }
    }
  }
}

// Rows with samples, and the same rows' first samples alone.
TEST_CASE("samples on CUDA do not depend on how many there are, nor on the batch") {
  if (skipped_without_gpu()) return;
  for (const Golden& golden : checked_in_goldens()) {
    CAPTURE(golden.name);
    const Checkpoint checkpoint = open_checkpoint(golden.model);
    const auto run = [&](int n, int max_num_seqs) {
      EngineOptions options = on_device("cuda", DType::kBF16);
      options.max_num_seqs = max_num_seqs;
      Engine engine(checkpoint.config, checkpoint.loader, options);
      for (size_t i = 0; i < golden.rows.size(); ++i) {
        Request request;
        request.row = i;
        request.prompt = golden.rows[i].prompt;
        request.params.n = n;
        request.params.max_tokens = 24;
        request.params.ignore_eos = true;
        if (i % 2 == 0) request.params.repetition_penalty = 1.3F;
        REQUIRE_FALSE(engine.check(request));
        engine.add_request(request);
      }
      std::map<std::pair<uint64_t, int32_t>, std::vector<int32_t>> tokens;
      while (engine.has_work()) {
        for (const TokenOutput& output : engine.step()) {
          tokens[{output.row, output.sample}].push_back(output.token_id);
        }
      }
      return tokens;
    };
    const auto few = run(4, 4);
    CHECK(run(4, 64) == few);
    for (const auto& [key, tokens] : run(1, 8)) CHECK(few.at(key) == tokens);
  }
}

}  // namespace
}  // namespace eet
