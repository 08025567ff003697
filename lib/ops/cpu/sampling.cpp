// The two ends of a step on the CPU: what the rows feed next, and the choice of their next tokens.
// The twin of kernels/sampling.cu and kernels/step.cu; what happens to a single logit is shared
// with them (kernels/contract/sampling_rules.h).
#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "kernels/contract/philox.h"
#include "kernels/contract/sampling_rules.h"
#include "lib/core/error.h"
#include "lib/ops/cpu/ops_cpu.h"
#include "lib/ops/cpu/simd.h"

namespace eet::ops::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int kLanes = 16;    // independent chains, for the compiler to make vectors of
constexpr int kChunk = 1024;  // logits that stay in the first-level cache between two passes

struct Peak {
  float value = -kInfinity;
  int32_t index = -1;  // the lowest that has `value`; -1 when there is nothing above -inf
  bool has_nan = false;
};

// The largest of x[0..n).
float largest(const float* x, int64_t n, bool& has_nan) {
  std::array<float, kLanes> high;
  std::array<int32_t, kLanes> nan{};
  high.fill(-kInfinity);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float value = x[i + lane];
      high[lane] = value > high[lane] ? value : high[lane];
      nan[lane] |= static_cast<int32_t>(value != value);
    }
  }
  for (; i < n; ++i) {
    high[0] = std::max(high[0], x[i]);
    nan[0] |= static_cast<int32_t>(std::isnan(x[i]));
  }
  has_nan |= std::any_of(nan.begin(), nan.end(), [](int32_t bad) { return bad != 0; });
  return *std::max_element(high.begin(), high.end());
}

// Calls after_chunk(chunk begin, size, peak so far) once each chunk is in the peak.
template <typename AfterChunk>
Peak find_peak(const float* x, int64_t n, AfterChunk after_chunk) {
  Peak peak;
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    const int64_t size = std::min<int64_t>(kChunk, n - begin);
    const float high = largest(x + begin, size, peak.has_nan);
    if (high > peak.value) {
      peak.value = high;
      peak.index = static_cast<int32_t>(std::find(x + begin, x + begin + size, high) - x);
    }
    after_chunk(x + begin, size, peak.value);
  }
  return peak;
}

struct RawScan {
  Peak peak;
  float log_sum_exp = 0.0F;  // relative to the peak: log of the sum of exp(x - peak)
};

// One pass over memory: each chunk is summed while it is in cache.
RawScan scan_raw(const float* logits, int64_t n) {
  const simd::Kernels& simd = simd::kernels();
  double sum = 0.0;
  float shift = -kInfinity;
  RawScan scan;
  scan.peak = find_peak(logits, n, [&](const float* chunk, int64_t size, float high) {
    if (!std::isfinite(high)) return;
    if (high > shift) sum *= std::exp(static_cast<double>(shift) - high);
    shift = high;
    sum += simd.sum_exp(chunk, shift, size);
  });
  scan.log_sum_exp = static_cast<float>(std::log(sum));
  return scan;
}

// The smallest gap whose candidates, it and those below it, weigh target(total weight) or more.
// Narrows the candidates by the bits of the gap, highest first, with a histogram a step, until few
// enough are left to sort. `candidates` are used up; n >= 1.
template <typename Weight, typename Target>
float select_gap(float* candidates, int64_t n, Weight weight, Target target) {
  constexpr int64_t kFew = 256;
  constexpr int kBins = 1 << 11;
  std::optional<uint64_t> remaining;
  for (const int shift : {20, 9, 0}) {
    if (n <= kFew) break;
    const auto bin_of = [shift](float gap) {
      return (sampling::bits_of(gap) >> shift) & (kBins - 1);
    };
    std::array<uint64_t, kBins> histogram{};
    for (int64_t i = 0; i < n; ++i) histogram[bin_of(candidates[i])] += weight(candidates[i]);
    if (!remaining) {
      remaining = target(std::accumulate(histogram.begin(), histogram.end(), uint64_t{0}));
    }
    int bin = 0;
    for (; bin < kBins - 1 && histogram[bin] < *remaining; ++bin) *remaining -= histogram[bin];
    const auto elsewhere = [&](float gap) { return bin_of(gap) != bin; };
    n = std::remove_if(candidates, candidates + n, elsewhere) - candidates;
  }

  std::sort(candidates, candidates + n);
  if (!remaining) {
    uint64_t total = 0;
    for (int64_t i = 0; i < n; ++i) total += weight(candidates[i]);
    remaining = target(total);
  }
  int64_t i = 0;
  for (; i < n - 1 && weight(candidates[i]) < *remaining; ++i) *remaining -= weight(candidates[i]);
  return candidates[i];
}

// The row's logits as the choice sees them, and memory to choose with.
struct Row {
  const SlotParams& params;
  const SlotState& state;
  const uint16_t* counts;  // [vocab_size]
  int64_t vocab_size;
  float* scaled;      // [vocab_size]
  float* candidates;  // [vocab_size]
};

// Writes the logits after penalties and bans to row.scaled.
void penalise_row(const Row& row, const float* logits) {
  if (sampling::has_penalties(row.params)) {
    for (int64_t id = 0; id < row.vocab_size; ++id) {
      row.scaled[id] = sampling::penalise(logits[id], row.counts[id], row.params);
    }
  } else {
    std::copy_n(logits, row.vocab_size, row.scaled);
  }
  if (sampling::bans_stop_tokens(row.params, row.state)) {
    for (int i = 0; i < row.params.num_stop_token_ids; ++i) {
      row.scaled[row.params.stop_token_ids[i]] = -kInfinity;
    }
  }
}

// The largest gap below `top`, the largest scaled logit, that top_k, top_p and min_p keep.
float kept_gap(const Row& row, float top) {
  const SlotParams& params = row.params;
  float kept = kInfinity;
  if (params.top_k > 0 && params.top_k < row.vocab_size) {
    for (int64_t id = 0; id < row.vocab_size; ++id) row.candidates[id] = top - row.scaled[id];
    kept = select_gap(
        row.candidates, row.vocab_size, [](float) { return uint64_t{1}; },
        [&](uint64_t) { return static_cast<uint64_t>(params.top_k); });
  }
  if (params.top_p < 1.0F) {
    constexpr float kNoMass = 28.0F;  // mass_of_gap is 0 from here on
    const float limit = std::min(kept, kNoMass);
    int64_t n = 0;
    for (int64_t id = 0; id < row.vocab_size; ++id) {
      row.candidates[n] = top - row.scaled[id];
      n += static_cast<int64_t>(row.candidates[n] <= limit);
    }
    kept = select_gap(row.candidates, n, sampling::mass_of_gap,
                      [&](uint64_t total) { return sampling::top_p_mass(params.top_p, total); });
  }
  return std::min(kept, sampling::min_p_gap(params.min_p));
}

constexpr int kGroups = 16;  // of four tokens
constexpr int kBlock = 4 * kGroups;

// Noise of kBlock tokens: token 4 * group + word is at [word][group].
using NoiseBlock = std::array<std::array<float, kGroups>, 4>;

[[gnu::always_inline]] inline NoiseBlock draw_noise_inline(const Row& row, int32_t first_group) {
  std::array<std::array<uint32_t, kGroups>, 4> words;
  for (int group = 0; group < kGroups; ++group) {
    const PhiloxWords random =
        sampling::token_words(row.params, row.state.num_generated, first_group + group);
    words[0][group] = random.word[0];
    words[1][group] = random.word[1];
    words[2][group] = random.word[2];
    words[3][group] = random.word[3];
  }
  NoiseBlock noise;
  for (int word = 0; word < 4; ++word) {
    for (int group = 0; group < kGroups; ++group) {
      noise[word][group] = sampling::gumbel(words[word][group]);
    }
  }
  return noise;
}

#if defined(__x86_64__)
// The same arithmetic in wider vectors: half the time.
[[gnu::target("avx2")]] NoiseBlock draw_noise_avx2(const Row& row, int32_t first_group) {
  return draw_noise_inline(row, first_group);
}
#endif

NoiseBlock draw_noise(const Row& row, int32_t first_group) {
#if defined(__x86_64__)
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return draw_noise_avx2(row, first_group);
#endif
  return draw_noise_inline(row, first_group);
}

// argmax of scaled logit + Gumbel noise over the tokens at most `kept` below `top`.
int32_t draw(const Row& row, float top, float kept) {
  float best = -kInfinity;
  int32_t best_id = -1;
  for (int64_t begin = 0; begin < row.vocab_size; begin += kBlock) {
    const float* scaled = row.scaled + begin;
    const int size = static_cast<int>(std::min<int64_t>(kBlock, row.vocab_size - begin));
    int any = 0;
    for (int i = 0; i < size; ++i) {
      any |= static_cast<int>(top - scaled[i] <= kept) &
             static_cast<int>(scaled[i] + sampling::kMaxGumbel > best);
    }
    if (any == 0) continue;

    const NoiseBlock noise = draw_noise(row, static_cast<int32_t>(begin / 4));
    for (int i = 0; i < size; ++i) {
      const float score = scaled[i] + noise[i % 4][i / 4];
      if (top - scaled[i] <= kept && score > best) {
        best = score;
        best_id = static_cast<int32_t>(begin) + i;
      }
    }
  }
  return best_id;
}

// The row's next token, or -1 when every token is banned.
int32_t choose(const Row& row, const float* logits, const Peak& raw_peak) {
  Peak peak = raw_peak;
  const bool modified =
      sampling::has_penalties(row.params) || sampling::bans_stop_tokens(row.params, row.state);
  if (modified) {
    penalise_row(row, logits);
    peak = find_peak(row.scaled, row.vocab_size, [](const float*, int64_t, float) {});
  }
  if (peak.index < 0 || sampling::is_greedy(row.params)) return peak.index;

  const float* unscaled = modified ? row.scaled : logits;
  for (int64_t id = 0; id < row.vocab_size; ++id) {
    row.scaled[id] = sampling::apply_temperature(unscaled[id], row.params.temperature);
  }
  const float top = sampling::apply_temperature(peak.value, row.params.temperature);
  return draw(row, top, sampling::is_filtered(row.params) ? kept_gap(row, top) : kInfinity);
}

struct Choice {
  int32_t token = kTokenNone;
  float logprob = 0.0F;
};

// Samples one row and moves its slot on. `scratch`: [2, vocab_size].
Choice sample_row(const float* logits, int32_t slot, const SlotTables& tables, float* scratch) {
  const SlotParams& params = tables.params[slot];
  SlotState& state = tables.states[slot];
  if (state.status != SlotStatus::kRunning) return {};
  if (sampling::replays_prompt(params, state)) {
    ++state.position;
    return {};
  }

  const int64_t vocab_size = tables.vocab_size;
  uint16_t* counts = tables.token_counts + slot * vocab_size;
  const Row row{.params = params,
                .state = state,
                .counts = counts,
                .vocab_size = vocab_size,
                .scaled = scratch,
                .candidates = scratch + vocab_size};
  const RawScan raw = scan_raw(logits, vocab_size);
  const bool finite = !raw.peak.has_nan && std::isfinite(raw.peak.value);
  const int32_t token = finite ? choose(row, logits, raw.peak) : -1;
  if (token < 0) {
    state.status = SlotStatus::kNonFinite;
    return {.token = kTokenNonFinite};
  }
  sampling::accept_token(state, counts, params, token);
  return {.token = token, .logprob = logits[token] - raw.peak.value - raw.log_sum_exp};
}

}  // namespace

void sample(const Context& ctx, const SampledRing& sampled, TensorView logits, const int32_t* slots,
            const SlotTables& tables, void* scratch) {
  const int64_t num_rows = logits.dim(0);
  const int32_t place = *sampled.last_place = sampled.place_after(*sampled.last_place);
  const int64_t num_tasks = std::min<int64_t>(num_rows, ctx.pool->num_threads());
  ctx.pool->parallel_for(num_tasks, [&](int64_t task) {
    float* task_scratch = static_cast<float*>(scratch) + 2 * task * tables.vocab_size;
    for (int64_t i = task; i < num_rows; i += num_tasks) {
      const float* row_logits = logits.as<float>() + i * logits.dim(1);
      const Choice choice = sample_row(row_logits, slots[i], tables, task_scratch);
      sampled.token_ids(place)[i] = choice.token;
      sampled.logprobs(place)[i] = choice.logprob;
    }
  });
}

size_t sample_scratch_bytes(const Context& ctx, int max_num_seqs, int64_t vocab_size) {
  const int num_tasks = std::min(max_num_seqs, ctx.pool->num_threads());
  return 2 * sizeof(float) * static_cast<size_t>(num_tasks) * static_cast<size_t>(vocab_size);
}

void score(const Context& ctx, float* logprobs, int32_t* is_argmax, TensorView logits,
           const int32_t* targets, int64_t vocab_size) {
  ctx.pool->parallel_for(logits.dim(0), [&](int64_t i) {
    const float* row = logits.as<float>() + i * logits.dim(1);
    const RawScan scan = scan_raw(row, vocab_size);
    const bool finite = !scan.peak.has_nan && std::isfinite(scan.peak.value);
    logprobs[i] = finite ? row[targets[i]] - scan.peak.value - scan.log_sum_exp
                         : std::numeric_limits<float>::quiet_NaN();
    is_argmax[i] = static_cast<int32_t>(finite && scan.peak.index == targets[i]);
  });
}

void top_logprobs(const Context& ctx, int32_t* ids, float* logprobs, int count, TensorView logits,
                  int64_t vocab_size) {
  ctx.pool->parallel_for(logits.dim(0), [&](int64_t i) {
    const float* row = logits.as<float>() + i * logits.dim(1);
    int32_t* row_ids = ids + i * count;
    int found = 0;
    for (int32_t id = 0; id < vocab_size; ++id) {
      if (found == count && !(row[id] > row[row_ids[count - 1]])) continue;
      int place = found < count ? found++ : count - 1;
      for (; place > 0 && row[id] > row[row_ids[place - 1]]; --place) {
        row_ids[place] = row_ids[place - 1];
      }
      row_ids[place] = id;
    }
    const RawScan scan = scan_raw(row, vocab_size);
    const bool finite = !scan.peak.has_nan && std::isfinite(scan.peak.value);
    for (int j = 0; j < count; ++j) {
      logprobs[i * count + j] = finite ? row[row_ids[j]] - scan.peak.value - scan.log_sum_exp
                                       : std::numeric_limits<float>::quiet_NaN();
    }
  });
}

void prepare_decode(const Context& /*ctx*/, int32_t* token_ids, int32_t* positions,
                    int32_t* context_lens, const int32_t* row_slots, int num_rows,
                    const SlotTables& slots) {
  for (int row = 0; row < num_rows; ++row) {
    const int32_t slot = row_slots[row];
    const SlotState& state = slots.states[slot];
    if (state.status != SlotStatus::kRunning) {
      token_ids[row] = 0;
      positions[row] = -1;
      context_lens[row] = 0;
      continue;
    }
    const bool in_prompt =
        slots.prompts != nullptr && state.position < slots.params[slot].prompt_len;
    token_ids[row] =
        in_prompt ? slots.prompts[slot * slots.prompts_stride + state.position] : state.next_token;
    positions[row] = state.position;
    context_lens[row] = state.position + 1;
  }
}

void count_prompt_tokens(const Context& /*ctx*/, const SlotTables& slots, const int32_t* token_ids,
                         const int32_t* positions, const int32_t* token_slots, int num_tokens) {
  for (int t = 0; t < num_tokens; ++t) {
    if (positions[t] >= 0) {
      slots.token_counts[token_slots[t] * slots.vocab_size + token_ids[t]] |= kInPrompt;
    }
  }
}

void fill_normal(const Context& ctx, TensorView out, float mean, float stddev, uint64_t seed) {
  require(out.dtype == DType::kF32, "internal error: fill_normal on the CPU: got ", describe(out));
  constexpr int64_t kQuadsPerTask = 4096;
  const int64_t n = out.numel();
  ctx.pool->parallel_for((n + 4 * kQuadsPerTask - 1) / (4 * kQuadsPerTask), [&](int64_t task) {
    for (int64_t quad = task * kQuadsPerTask; quad < (task + 1) * kQuadsPerTask && 4 * quad < n;
         ++quad) {
      const NormalQuad normal = normal_quad(seed, static_cast<uint64_t>(quad));
      const int64_t size = std::min<int64_t>(4, n - 4 * quad);
      for (int64_t i = 0; i < size; ++i) {
        out.as<float>()[4 * quad + i] = mean + stddev * normal.value[i];
      }
    }
  });
}

}  // namespace eet::ops::cpu
