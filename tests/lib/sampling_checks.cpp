#include "tests/lib/sampling_checks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/contract/philox.h"
#include "tests/lib/sampling_rows.h"

namespace eet::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int32_t kNoLimit = std::numeric_limits<int32_t>::max();

// Every row with the same logits.
std::vector<float> repeated(const std::vector<float>& row, size_t num_rows) {
  std::vector<float> rows;
  rows.reserve(row.size() * num_rows);
  for (size_t i = 0; i < num_rows; ++i) rows.insert(rows.end(), row.begin(), row.end());
  return rows;
}

// One row's tokens over `num_steps` steps from the same logits.
std::vector<int32_t> sequence_of(const Context& ctx, const SlotParams& params,
                                 const std::vector<float>& logits, int num_steps,
                                 const std::vector<uint16_t>& counts = {}) {
  SamplingRows rows(ctx, {params}, logits, static_cast<int64_t>(logits.size()), counts);
  std::vector<int32_t> tokens;
  for (int step = 0; step < num_steps; ++step) {
    rows.step();
    tokens.push_back(rows.tokens()[0]);
  }
  return tokens;
}

// The different tokens that `num_rows` rows of different seeds draw from the same logits in one
// step, ascending.
std::vector<int32_t> distinct_draws(const Context& ctx, const SlotParams& params,
                                    const std::vector<float>& logits, int num_rows) {
  std::vector<SlotParams> all(static_cast<size_t>(num_rows), params);
  std::vector<float> repeated;
  for (size_t row = 0; row < all.size(); ++row) {
    all[row].seed = row + 1;
    repeated.insert(repeated.end(), logits.begin(), logits.end());
  }
  SamplingRows rows(ctx, all, repeated, static_cast<int64_t>(logits.size()));
  rows.step();
  std::vector<int32_t> tokens = rows.tokens();
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

// Probabilities after penalties, temperature and filters, by a full sort in fp64; 0 for tokens that
// are not kept. Scaled logits of all tokens go to `scaled`.
std::vector<double> reference_probabilities(const float* logits, int64_t vocab_size,
                                            const SlotParams& params, const SlotState& state,
                                            const uint16_t* counts, std::vector<double>& scaled) {
  scaled.assign(logits, logits + vocab_size);
  for (int64_t id = 0; id < vocab_size; ++id) {
    double& z = scaled[id];
    const int generated = counts[id] & 0x7FFF;
    if (counts[id] != 0) {
      z = z > 0 ? z / params.repetition_penalty : z * params.repetition_penalty;
    }
    z -= params.frequency_penalty * generated + (generated > 0 ? params.presence_penalty : 0.0F);
  }
  if (state.num_generated < params.min_tokens) {
    for (int i = 0; i < params.num_stop_token_ids; ++i) {
      scaled[params.stop_token_ids[i]] = -kInfinity;
    }
  }
  if (params.temperature > 0) {
    for (double& z : scaled) z /= params.temperature;
  }

  std::vector<double> order = scaled;
  std::sort(order.begin(), order.end(), std::greater<>());
  const double top = order[0];
  if (params.top_k > 0 && params.top_k < vocab_size) {
    const double least = order[params.top_k - 1];
    order.erase(std::find_if(order.begin(), order.end(), [&](double z) { return z < least; }),
                order.end());
  }
  if (params.top_p < 1.0F) {
    double kept_mass = 0;
    for (const double z : order) kept_mass += std::exp(z - top);
    double mass = 0;
    size_t kept = 0;
    while (kept < order.size() && mass < params.top_p * kept_mass) {
      mass += std::exp(order[kept++] - top);
    }
    order.resize(kept);
  }
  while (std::exp(order.back() - top) < params.min_p) order.pop_back();

  std::vector<double> probabilities(vocab_size, 0.0);
  double total = 0;
  for (int64_t id = 0; id < vocab_size; ++id) {
    if (scaled[id] >= order.back()) total += probabilities[id] = std::exp(scaled[id] - top);
  }
  for (double& p : probabilities) p /= total;
  return probabilities;
}

// The token that the whole rule of ops::sample picks, in fp64.
int32_t reference_token(const float* logits, int64_t vocab_size, const SlotParams& params,
                        const SlotState& state, const uint16_t* counts) {
  std::vector<double> scaled;
  const std::vector<double> probabilities =
      reference_probabilities(logits, vocab_size, params, state, counts, scaled);
  int32_t best_id = -1;
  double best = -kInfinity;
  for (int32_t id = 0; id < vocab_size; ++id) {
    double score = scaled[id];
    if (params.temperature > 0) {
      if (probabilities[id] == 0) continue;
      const PhiloxWords words = philox4x32_10(
          params.seed, static_cast<uint32_t>(id) / 4, static_cast<uint32_t>(state.num_generated),
          static_cast<uint32_t>(params.stream), static_cast<uint32_t>(params.stream >> 32));
      const double u = (words.word[id % 4] + 0.5) * 0x1p-32;
      score -= std::log(-std::log1p(-u));
    }
    if (score > best) {
      best = score;
      best_id = id;
    }
  }
  return best_id;
}

// Pearson's chi-square as a standard normal deviate (Wilson and Hilferty 1931). Bins that expect
// fewer than 10 are taken together.
double chi_square_deviate(const std::vector<double>& observed,
                          const std::vector<double>& expected) {
  double statistic = 0;
  int bins = 0;
  double rest_observed = 0;
  double rest_expected = 0;
  const auto add = [&](double o, double e) {
    statistic += (o - e) * (o - e) / e;
    ++bins;
  };
  for (size_t i = 0; i < observed.size(); ++i) {
    if (expected[i] >= 10) {
      add(observed[i], expected[i]);
    } else {
      rest_observed += observed[i];
      rest_expected += expected[i];
    }
  }
  if (rest_expected >= 10) add(rest_observed, rest_expected);
  const double degrees = bins - 1;
  REQUIRE(degrees >= 1);
  const double spread = 2.0 / (9.0 * degrees);
  return (std::cbrt(statistic / degrees) - (1.0 - spread)) / std::sqrt(spread);
}

// Beyond this lies less than one in a million on either side; seeds are fixed.
constexpr double kMaxDeviate = 4.8;

void check_draws_of(const Context& ctx, const std::string& name, SlotParams params) {
  constexpr int kRows = 4096;
  constexpr int kSteps = 256;  // 2^20 draws
  constexpr int64_t kVocab = 50;
  CAPTURE(name);
  const std::vector<float> logits = random_logits(kVocab, 7, 2.0F);
  params.seed = 1234;
  params.max_tokens = kNoLimit;
  std::vector<SlotParams> all(kRows, params);
  for (int row = 0; row < kRows; ++row) all[row].stream = static_cast<uint64_t>(row) + 1;

  SamplingRows rows(ctx, all, repeated(logits, kRows), kVocab);
  std::vector<double> observed(kVocab, 0.0);
  for (int step = 0; step < kSteps; ++step) {
    rows.step();
    for (const int32_t token : rows.tokens()) observed.at(token) += 1;
  }
  std::vector<double> scaled;
  const std::vector<uint16_t> no_counts(kVocab, 0);
  std::vector<double> expected =
      reference_probabilities(logits.data(), kVocab, params, {}, no_counts.data(), scaled);
  for (int64_t id = 0; id < kVocab; ++id) {
    if (expected[id] == 0) CHECK_MESSAGE(observed[id] == 0, "token ", id, " is not kept");
    expected[id] *= double{kRows} * kSteps;
  }
  CHECK(std::abs(chi_square_deviate(observed, expected)) < kMaxDeviate);
}

}  // namespace

void check_draws_follow_probabilities(const Context& ctx) {
  check_draws_of(ctx, "temperature 1", {.temperature = 1.0F});
  check_draws_of(ctx, "temperature 0.6", {.temperature = 0.6F});
  check_draws_of(ctx, "top_k 7", {.temperature = 1.5F, .top_k = 7});
  check_draws_of(ctx, "top_p 0.8", {.temperature = 1.0F, .top_p = 0.8F});
  check_draws_of(ctx, "min_p 0.05", {.temperature = 1.0F, .min_p = 0.05F});
  check_draws_of(ctx, "top_k 20, top_p 0.9, min_p 0.02",
                 {.temperature = 1.2F, .top_p = 0.9F, .min_p = 0.02F, .top_k = 20});
}

void check_draws_over_a_large_odd_vocabulary(const Context& ctx, int num_draws) {
  constexpr int64_t kVocab = 50257;
  constexpr int kRows = 256;
  constexpr int kBins = 61;  // does not divide the vocabulary, so bins lie across vector borders
  const std::vector<float> logits = random_logits(kVocab, 11, 2.5F);
  SlotParams params{.temperature = 1.0F, .max_tokens = kNoLimit, .seed = 5};
  std::vector<SlotParams> all(kRows, params);
  for (int row = 0; row < kRows; ++row) all[row].stream = static_cast<uint64_t>(row) + 1;
  SamplingRows rows(ctx, all, repeated(logits, kRows), kVocab);

  std::vector<double> observed(kBins, 0.0);
  const int num_steps = num_draws / kRows;
  for (int step = 0; step < num_steps; ++step) {
    rows.step();
    for (const int32_t token : rows.tokens()) observed[token % kBins] += 1;
  }
  std::vector<double> scaled;
  const std::vector<uint16_t> no_counts(kVocab, 0);
  const std::vector<double> probabilities =
      reference_probabilities(logits.data(), kVocab, params, {}, no_counts.data(), scaled);
  std::vector<double> expected(kBins, 0.0);
  for (int64_t id = 0; id < kVocab; ++id) {
    expected[id % kBins] += probabilities[id] * kRows * num_steps;
  }
  CHECK(std::abs(chi_square_deviate(observed, expected)) < kMaxDeviate);
}

void check_draws_are_independent(const Context& ctx) {
  // Pairs of a row's consecutive draws, and of neighbouring rows' draws with one seed, fall into
  // cells with the product of their probabilities.
  constexpr int64_t kVocab = 7;
  constexpr int kRows = 1024;
  constexpr int kSteps = 100;
  const std::vector<float> logits = random_logits(kVocab, 3, 1.0F);
  std::vector<SlotParams> params(kRows, SlotParams{.temperature = 1.0F, .seed = 77});
  for (int row = 0; row < kRows; ++row) params[row].stream = static_cast<uint64_t>(row) + 1;
  SamplingRows rows(ctx, params, repeated(logits, kRows), kVocab);

  std::vector<double> serial(kVocab * kVocab, 0.0);
  std::vector<double> across(kVocab * kVocab, 0.0);
  std::vector<int32_t> last;
  for (int step = 0; step < kSteps; ++step) {
    rows.step();
    const std::vector<int32_t> tokens = rows.tokens();
    for (int row = 0; row < kRows; ++row) {
      if (step % 2 == 1) serial[last[row] * kVocab + tokens[row]] += 1;
      if (row % 2 == 1) across[tokens[row - 1] * kVocab + tokens[row]] += 1;
    }
    last = tokens;
  }
  std::vector<double> scaled;
  const std::vector<uint16_t> no_counts(kVocab, 0);
  const std::vector<double> p =
      reference_probabilities(logits.data(), kVocab, params[0], {}, no_counts.data(), scaled);
  std::vector<double> expected(kVocab * kVocab);
  for (int64_t i = 0; i < kVocab * kVocab; ++i) {
    expected[i] = p[i / kVocab] * p[i % kVocab] * kRows * kSteps / 2;
  }
  CHECK(std::abs(chi_square_deviate(serial, expected)) < kMaxDeviate);
  CHECK(std::abs(chi_square_deviate(across, expected)) < kMaxDeviate);

  // The job's stream 0 is a row's own seed: the same seed draws the same sequence again.
  const SlotParams own{.temperature = 1.0F, .seed = 42};
  const SlotParams other{.temperature = 1.0F, .seed = 43};
  CHECK(sequence_of(ctx, own, logits, 40) == sequence_of(ctx, own, logits, 40));
  CHECK(sequence_of(ctx, own, logits, 40) != sequence_of(ctx, other, logits, 40));
}

void check_against_sorting_reference(const Context& ctx) {
  int num_tokens = 0;
  int num_equal = 0;
  for (const int64_t vocab_size : {5, 50, 1000, 4099, 50257}) {
    const int num_rows = vocab_size > 10000 ? 40 : 240;
    const std::vector<float> logits =
        random_logits(num_rows * vocab_size, static_cast<uint64_t>(vocab_size), 3.0F);
    std::vector<uint16_t> counts(logits.size());
    for (size_t i = 0; i < counts.size(); ++i) {
      counts[i] = static_cast<uint16_t>(i % 7 == 0 ? i % 3 : i % 31 == 5 ? kInPrompt : 0);
    }
    const std::vector<SlotParams> params = varied_params(num_rows, vocab_size);
    std::vector<SlotState> states(num_rows);
    for (int row = 0; row < num_rows; ++row) states[row].num_generated = row % 3;
    SamplingRows rows(ctx, params, logits, vocab_size, counts, states);
    rows.step();
    const std::vector<int32_t> tokens = rows.tokens();
    for (int row = 0; row < num_rows; ++row) {
      const size_t first = row * vocab_size;
      const int32_t expected = reference_token(logits.data() + first, vocab_size, params[row],
                                               states[row], counts.data() + first);
      ++num_tokens;
      num_equal += static_cast<int>(tokens[row] == expected);
      if (params[row].temperature == 0) {
        CHECK_MESSAGE(tokens[row] == expected, "vocabulary ", vocab_size, " row ", row);
      }
    }
  }
  // fp32 may leave fp64 only where two scores or a threshold nearly tie.
  CHECK_MESSAGE(num_equal >= num_tokens - 1, num_equal, " of ", num_tokens, " tokens equal");
}

void check_filter_order(const Context& ctx) {
  // p = 0.4, 0.3, 0.2, 0.1 in shuffled order.
  const std::vector<float> logits = {std::log(0.2F), std::log(0.4F), std::log(0.1F),
                                     std::log(0.3F)};
  const auto drawn = [&](SlotParams params) {
    params.temperature = 1.0F;
    return distinct_draws(ctx, params, logits, 200);
  };
  using Ids = std::vector<int32_t>;
  CHECK(drawn({}) == Ids{0, 1, 2, 3});
  CHECK(drawn({.top_k = 1}) == Ids{1});
  CHECK(drawn({.top_k = 3}) == Ids{0, 1, 3});
  CHECK(drawn({.top_k = 4}) == Ids{0, 1, 2, 3});
  CHECK(drawn({.top_k = 9}) == Ids{0, 1, 2, 3});
  CHECK(drawn({.top_p = 0.39F}) == Ids{1});
  CHECK(drawn({.top_p = 0.41F}) == Ids{1, 3});
  CHECK(drawn({.top_p = 0.69F}) == Ids{1, 3});
  CHECK(drawn({.top_p = 0.71F}) == Ids{0, 1, 3});
  CHECK(drawn({.top_p = 1e-6F}) == Ids{1});
  CHECK(drawn({.min_p = 0.26F}) == Ids{0, 1, 3});
  CHECK(drawn({.min_p = 0.24F}) == Ids{0, 1, 2, 3});
  CHECK(drawn({.min_p = 1.0F}) == Ids{1});
  // Of the two that top_k keeps, the first has 4/7 of the mass: top_p counts what top_k left.
  CHECK(drawn({.top_p = 0.55F, .top_k = 2}) == Ids{1});
  CHECK(drawn({.top_p = 0.58F, .top_k = 2}) == Ids{1, 3});
  // min_p compares with the most likely token, whatever top_p kept.
  CHECK(drawn({.top_p = 0.95F, .min_p = 0.51F}) == Ids{1, 3});

  // Equal logits at the threshold are all kept.
  const std::vector<float> tied = {1.0F, 1.0F, 2.0F, 1.0F, -3.0F};
  CHECK(distinct_draws(ctx, {.temperature = 2.0F, .top_k = 2}, tied, 300) == Ids{0, 1, 2, 3});

  // A long run of ties: more than any list of candidates holds.
  const std::vector<float> flat(20000, 0.5F);
  for (const SlotParams& params : {SlotParams{.temperature = 1.0F, .top_p = 0.3F, .seed = 1},
                                   SlotParams{.temperature = 1.0F, .top_k = 10, .seed = 1},
                                   SlotParams{.temperature = 1.0F, .seed = 1}}) {
    CHECK(sequence_of(ctx, params, flat, 3) ==
          sequence_of(ctx, {.temperature = 1.0F, .seed = 1}, flat, 3));
  }
}

void check_greedy_is_argmax(const Context& ctx) {
  for (const int64_t vocab_size : {1, 2, 3, 17, 50, 1024, 4096, 4097, 50257, 128256}) {
    CAPTURE(vocab_size);
    constexpr int kRows = 6;
    std::vector<float> logits =
        random_logits(kRows * vocab_size, static_cast<uint64_t>(vocab_size), 2.0F);
    // The last rows tie at three places, far apart and all below zero but for one row.
    for (int row = 3; row < kRows; ++row) {
      float* z = logits.data() + row * vocab_size;
      for (int64_t id = 0; id < vocab_size; ++id) z[id] -= row == 3 ? 0.0F : 50.0F;
      const float high = *std::max_element(z, z + vocab_size) + 1.0F;
      for (const int64_t id : {vocab_size / 3, vocab_size / 2, vocab_size - 1}) z[id] = high;
    }
    std::vector<int32_t> expected;
    for (int row = 0; row < kRows; ++row) {
      const auto first = logits.begin() + row * vocab_size;
      expected.push_back(static_cast<int32_t>(std::max_element(first, first + vocab_size) - first));
    }
    SamplingRows rows(ctx, std::vector<SlotParams>(kRows), logits, vocab_size);
    rows.step();
    CHECK(rows.tokens() == expected);
  }
}

void check_penalties(const Context& ctx) {
  using Ids = std::vector<int32_t>;
  const std::vector<float> logits = {3.0F, 2.5F, 2.0F, -5.0F};
  // Repetition divides once, however often: 3 -> 2, then 2.5 -> 1.67, then 2 (tie, lowest id).
  CHECK(sequence_of(ctx, {.repetition_penalty = 1.5F}, logits, 5) == Ids{0, 1, 0, 0, 0});
  // ... and multiplies what is negative: -1 -> -1.5, then -1.4 -> -2.1.
  CHECK(sequence_of(ctx, {.repetition_penalty = 1.5F}, {-1.0F, -1.4F, -9.0F}, 4) ==
        Ids{0, 1, 0, 0});
  // Frequency counts: 3, 2.6, 2.2, 1.8 and 2.5, 2.1, 1.7 and 2.
  CHECK(sequence_of(ctx, {.frequency_penalty = 0.4F}, logits, 6) == Ids{0, 0, 1, 0, 1, 2});
  // Presence subtracts once: 3 -> 2.4, 2.5 -> 1.9, then 2.4 for good.
  CHECK(sequence_of(ctx, {.presence_penalty = 0.6F}, logits, 4) == Ids{0, 1, 0, 0});
  CHECK(sequence_of(ctx, {.presence_penalty = -2.0F}, {0.0F, 1.0F}, 2) == Ids{1, 1});
  // Repetition first, then the others: 3 / 1.5 - 0.1 - 0.3 = 1.6; 2.5 / 1.5 - 0.4 = 1.27; 2 ->
  // 0.93.
  CHECK(sequence_of(
            ctx, {.repetition_penalty = 1.5F, .presence_penalty = 0.3F, .frequency_penalty = 0.1F},
            logits, 5) == Ids{0, 1, 2, 0, 0});
  // The prompt counts for repetition only.
  const std::vector<uint16_t> prompt = {kInPrompt, 0, 0, 0};
  CHECK(sequence_of(ctx, {.repetition_penalty = 1.5F}, logits, 1, prompt) == Ids{1});
  CHECK(sequence_of(ctx, {.presence_penalty = 2.0F, .frequency_penalty = 2.0F}, logits, 1,
                    prompt) == Ids{0});

  // Generated tokens are counted up to 32767, and the prompt's bit stays.
  SamplingRows rows(ctx, {{}, {}}, {1.0F, 0.0F, 0.0F, 1.0F}, 2,
                    {kInPrompt, 0, 0, static_cast<uint16_t>(kInPrompt | 0x7FFF)});
  rows.step();
  CHECK(rows.counts() == std::vector<uint16_t>{kInPrompt | 1, 0, 0, kInPrompt | 0x7FFF});
}

void check_minimum_and_stops(const Context& ctx) {
  const std::vector<float> logits = {1.0F, 5.0F, 2.0F, 4.0F};
  SlotParams params{
      .min_tokens = 2, .max_tokens = 4, .num_stop_token_ids = 2, .stop_token_ids = {1, 3}};
  SamplingRows rows(ctx, {params}, logits, 4);
  const auto step = [&] {
    rows.step();
    return rows.tokens()[0];
  };
  CHECK(step() == 2);
  CHECK(step() == 2);
  CHECK(rows.states()[0].status == SlotStatus::kRunning);
  CHECK(step() == 1);
  const SlotState ended = rows.states()[0];
  CHECK(ended.status == SlotStatus::kStop);
  CHECK(ended.num_generated == 3);
  CHECK(ended.next_token == 1);
  CHECK(ended.position == 3);

  // The last allowed token ends a row by length, unless it is a stop id.
  params = {.max_tokens = 2, .num_stop_token_ids = 1, .stop_token_ids = {0}};
  SamplingRows by_length(ctx, {params}, logits, 4);
  by_length.step();
  CHECK(by_length.states()[0].status == SlotStatus::kRunning);
  by_length.step();
  CHECK(by_length.states()[0].status == SlotStatus::kLength);

  // Banned ids are never drawn, and a row whose every token is banned has none.
  params = {.temperature = 1.0F,
            .min_tokens = 100,
            .max_tokens = 200,
            .num_stop_token_ids = 2,
            .stop_token_ids = {1, 3}};
  const std::vector<int32_t> drawn = sequence_of(ctx, params, logits, 100);
  CHECK(std::count(drawn.begin(), drawn.end(), 1) + std::count(drawn.begin(), drawn.end(), 3) == 0);
  params.top_p = 0.9F;
  CHECK(sequence_of(ctx, params, {-kInfinity, 5.0F, -kInfinity, 4.0F}, 1)[0] == kTokenNonFinite);
}

void check_non_finite_logits(const Context& ctx) {
  const std::vector<SlotParams> kinds = {{},
                                         {.temperature = 1.0F},
                                         {.temperature = 1.0F, .top_p = 0.9F, .top_k = 5},
                                         {.repetition_penalty = 1.2F}};
  for (const int64_t vocab_size : {3, 50, 9001}) {
    for (const int64_t place : {int64_t{0}, vocab_size / 2, vocab_size - 1}) {
      for (const float bad : {kNan, kInfinity}) {
        std::vector<float> logits = random_logits(vocab_size, 1, 1.0F);
        logits[place] = bad;
        SamplingRows rows(ctx, kinds, repeated(logits, kinds.size()), vocab_size);
        rows.step();
        CHECK(rows.tokens() == std::vector<int32_t>(kinds.size(), kTokenNonFinite));
        for (const SlotState& state : rows.states()) {
          CHECK(state.status == SlotStatus::kNonFinite);
          CHECK(state.num_generated == 0);
        }
        rows.step();
        CHECK(rows.tokens() == std::vector<int32_t>(kinds.size(), kTokenNone));
      }
    }
    std::vector<float> none(vocab_size, -kInfinity);
    CHECK(sequence_of(ctx, {}, none, 1)[0] == kTokenNonFinite);
    CHECK(sequence_of(ctx, {.temperature = 1.0F, .top_k = 2}, none, 1)[0] == kTokenNonFinite);
    none[vocab_size - 1] = -1e30F;
    const auto last = static_cast<int32_t>(vocab_size - 1);
    CHECK(sequence_of(ctx, {}, none, 1)[0] == last);
    CHECK(sequence_of(ctx, {.temperature = 0.5F}, none, 1)[0] == last);
    CHECK(sequence_of(ctx, {.temperature = 1.0F, .top_p = 0.5F, .top_k = 2}, none, 1)[0] == last);
  }
  // Huge logits and a small temperature leave the range of a float: the largest still wins.
  const std::vector<float> huge = {3e38F, 1e38F, -3e38F};
  CHECK(sequence_of(ctx, {.temperature = 1e-5F, .top_p = 0.9F}, {2e30F, 1e30F, 0.0F}, 1)[0] == 0);
  CHECK(sequence_of(ctx, {.repetition_penalty = 0.5F}, huge, 2) == std::vector<int32_t>{0, 0});
}

void check_replayed_and_ended_rows(const Context& ctx) {
  // Rows 0 and 1 feed a prompt of 4 from position 1 and 3; row 2 has ended; row 3 samples.
  const std::vector<float> logits = repeated({0.0F, 2.0F, 1.0F}, 4);
  const std::vector<SlotParams> params(4, SlotParams{.prompt_len = 4});
  const std::vector<SlotState> states = {
      {.position = 1},
      {.position = 3},
      {.next_token = 7, .position = 9, .num_generated = 6, .status = SlotStatus::kLength},
      {.position = 20, .num_generated = 17}};
  SamplingRows rows(ctx, params, logits, 3, {}, states);
  rows.step();
  CHECK(rows.tokens() == std::vector<int32_t>{kTokenNone, 1, kTokenNone, 1});
  CHECK(rows.logprobs()[0] == 0.0F);
  const std::vector<SlotState> after = rows.states();
  CHECK(after[0].position == 2);
  CHECK(after[0].num_generated == 0);
  CHECK(after[1].position == 4);
  CHECK(after[1].num_generated == 1);
  CHECK(after[2].position == 9);
  CHECK(after[2].next_token == 7);
  CHECK(after[2].status == SlotStatus::kLength);
  CHECK(after[3].position == 21);
  rows.step();
  CHECK(rows.tokens() == std::vector<int32_t>{kTokenNone, 1, kTokenNone, 1});
  rows.step();
  CHECK(rows.tokens() == std::vector<int32_t>{1, 1, kTokenNone, 1});
}

void check_poisoned_padding(const Context& ctx) {
  for (const int64_t vocab_size : {50, 51, 4095, 4099}) {
    for (const float poison : {kNan, kInfinity}) {
      constexpr int kRows = 28;
      const int64_t stride = (vocab_size + 8) / 8 * 8;
      const std::vector<float> exact = random_logits(kRows * vocab_size, 21, 2.0F);
      std::vector<float> padded(kRows * stride, poison);
      for (int row = 0; row < kRows; ++row) {
        std::copy_n(exact.begin() + row * vocab_size, vocab_size, padded.begin() + row * stride);
      }
      const std::vector<SlotParams> params = varied_params(kRows, vocab_size);
      SamplingRows with_padding(ctx, params, padded, vocab_size);
      SamplingRows without(ctx, params, exact, vocab_size);
      for (int step = 0; step < 4; ++step) {
        with_padding.step();
        without.step();
        CHECK(with_padding.tokens() == without.tokens());
        CHECK(with_padding.logprobs() == without.logprobs());
      }
    }
  }
}

void check_batch_position(const Context& ctx) {
  constexpr int kRows = 60;
  constexpr int64_t kVocab = 5003;
  const std::vector<float> logits = random_logits(kRows * kVocab, 31, 3.0F);
  const std::vector<SlotParams> params = varied_params(kRows, kVocab);
  SamplingRows together(ctx, params, logits, kVocab);
  together.step();
  const std::vector<int32_t> tokens = together.tokens();
  const std::vector<float> logprobs = together.logprobs();

  std::vector<float> reversed_logits;
  std::vector<int32_t> reversed_slots;
  for (int row = kRows - 1; row >= 0; --row) {
    const auto first = logits.begin() + row * kVocab;
    reversed_logits.insert(reversed_logits.end(), first, first + kVocab);
    reversed_slots.push_back(row);
    SamplingRows alone(ctx, {params[row]}, {first, first + kVocab}, kVocab);
    alone.step();
    CHECK(alone.tokens()[0] == tokens[row]);
    CHECK(alone.logprobs()[0] == logprobs[row]);
  }
  SamplingRows reversed(ctx, params, reversed_logits, kVocab);
  reversed.step(reversed_slots);
  const std::vector<int32_t> reversed_tokens = reversed.tokens();
  CHECK(std::equal(tokens.begin(), tokens.end(), reversed_tokens.rbegin()));
}

void check_logprobs(const Context& ctx) {
  for (const int64_t vocab_size : {2, 50, 4099, 50257, 128256}) {
    constexpr int kRows = 12;
    const std::vector<float> logits = random_logits(kRows * vocab_size, 41, 4.0F);
    SamplingRows rows(ctx, varied_params(kRows, vocab_size), logits, vocab_size);
    rows.step();
    const std::vector<int32_t> tokens = rows.tokens();
    const std::vector<float> logprobs = rows.logprobs();
    for (int row = 0; row < kRows; ++row) {
      const float* z = logits.data() + row * vocab_size;
      double sum = 0;
      for (int64_t id = 0; id < vocab_size; ++id) sum += std::exp(double{z[id]});
      REQUIRE(tokens[row] >= 0);
      CHECK(std::abs(logprobs[row] - (z[tokens[row]] - std::log(sum))) < 1e-5);
    }
  }
}

}  // namespace eet::test
