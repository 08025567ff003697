#include "app/bench/workload.h"

#include <algorithm>
#include <filesystem>
#include <random>

#include "lib/core/error.h"

namespace eet {
namespace {

using Kind = BenchTest::Kind;

std::vector<RequestLengths> batch_of(int batch, int prompt_tokens, int new_tokens,
                                     double pad_fraction) {
  std::vector<RequestLengths> requests;
  for (const int length : ragged_lengths(batch, prompt_tokens, pad_fraction)) {
    requests.push_back({length, new_tokens});
  }
  return requests;
}

std::string ragged_suffix(const TestPlan& plan) {
  return plan.pad_fraction > 0 ? concat(" ragged ", plan.pad_fraction) : std::string();
}

BenchTest prefill_test(const TestPlan& plan, int batch, int prompt_tokens) {
  return {.kind = Kind::kPrefill,
          .name = concat("pp", prompt_tokens, ragged_suffix(plan)),
          .batch = batch,
          .prompt_tokens = prompt_tokens,
          .requests = batch_of(batch, prompt_tokens, 1, plan.pad_fraction)};
}

// A prompt's last pass gives the first token, so that n decode steps make n + 1.
BenchTest decode_test(const TestPlan& plan, int batch, int new_tokens, int depth) {
  const std::string at = depth > 0 ? concat(" @ d", depth) : "";
  return {.kind = Kind::kDecode,
          .name = concat("tg", new_tokens, at, ragged_suffix(plan)),
          .batch = batch,
          .new_tokens = new_tokens,
          .depth = depth,
          .requests = batch_of(batch, std::max(1, depth), new_tokens + 1, plan.pad_fraction)};
}

BenchTest requests_test(const TestPlan& plan, int batch, int prompt_tokens, int new_tokens) {
  return {.kind = Kind::kRequests,
          .name = concat("pp", prompt_tokens, "+tg", new_tokens, ragged_suffix(plan)),
          .batch = batch,
          .prompt_tokens = prompt_tokens,
          .new_tokens = new_tokens,
          .requests = batch_of(batch, prompt_tokens, new_tokens, plan.pad_fraction)};
}

BenchTest recorded_test(const TestPlan& plan) {
  BenchTest test;
  test.requests = read_lengths_file(plan.lengths_file, plan.length_limits);
  test.name = concat(test.requests.size(), " of ",
                     std::filesystem::path(plan.lengths_file).filename().string());
  return test;
}

}  // namespace

int64_t BenchTest::max_positions() const {
  int64_t most = 0;
  for (const RequestLengths& lengths : requests) {
    most = std::max<int64_t>(most, int64_t{lengths.prompt_tokens} + lengths.new_tokens - 1);
  }
  return most;
}

int64_t BenchTest::counted_tokens() const {
  int64_t tokens = 0;
  for (const RequestLengths& lengths : requests) {
    if (kind == Kind::kPrefill) tokens += lengths.prompt_tokens;
    if (kind == Kind::kDecode) tokens += lengths.new_tokens - 1;
    if (kind == Kind::kRequests) tokens += lengths.new_tokens;
  }
  return tokens;
}

std::vector<BenchTest> plan_tests(const TestPlan& plan) {
  std::vector<BenchTest> tests;
  for (const int batch : plan.batches) {
    for (const int prompt : plan.prompts) {
      tests.push_back(prefill_test(plan, batch, prompt));
    }
    for (const int generated : plan.generated) {
      for (const int depth : plan.depths) {
        tests.push_back(decode_test(plan, batch, generated, depth));
      }
    }
    for (const auto& [prompt, generated] : plan.pairs) {
      tests.push_back(requests_test(plan, batch, prompt, generated));
    }
  }
  if (!plan.lengths_file.empty()) tests.push_back(recorded_test(plan));
  return tests;
}

std::vector<int> ragged_lengths(int batch, int longest, double pad_fraction) {
  const double mean = (1.0 - pad_fraction) * longest;
  const double low = std::max(1.0, 2.0 * mean - longest);
  const double high = 2.0 * mean - low;
  std::vector<int> lengths;
  lengths.reserve(static_cast<size_t>(batch));
  for (int i = 0; i < batch; ++i) {
    const double share = batch == 1 ? 1.0 : static_cast<double>(i) / (batch - 1);
    lengths.push_back(std::max(1, static_cast<int>(low + share * (high - low))));
  }
  lengths.back() = longest;
  std::shuffle(lengths.begin(), lengths.end(), std::mt19937(3));
  return lengths;
}

std::vector<Request> make_requests(const BenchTest& test, const RequestOptions& options,
                                   int64_t vocab_size, uint64_t seed, uint64_t first_row) {
  // The first ids are special tokens in most vocabularies; zeros would draw less power than text.
  const auto last_id = static_cast<int32_t>(vocab_size - 1);
  std::uniform_int_distribution<int32_t> any_id(std::min(3, last_id), last_id);
  std::mt19937_64 random(seed);
  std::vector<int32_t> prefix(static_cast<size_t>(options.shared_prefix));
  for (int32_t& id : prefix) id = any_id(random);

  std::vector<Request> requests;
  requests.reserve(test.requests.size());
  for (const RequestLengths& lengths : test.requests) {
    Request request{.row = first_row++, .prompt = {}, .params = options.params};
    request.prompt.resize(static_cast<size_t>(lengths.prompt_tokens));
    for (int32_t& id : request.prompt) id = any_id(random);
    std::copy_n(prefix.begin(), std::min(prefix.size(), request.prompt.size()),
                request.prompt.begin());
    request.params.max_tokens = lengths.new_tokens;
    request.params.ignore_eos = true;
    requests.push_back(std::move(request));
  }
  return requests;
}

}  // namespace eet
