#include "lib/schedule/prompt_passes.h"

#include <algorithm>

#include "kernels/contract/kv_layout.h"
#include "lib/schedule/prefix_sources.h"

namespace eet {
namespace {

// Collects segments into passes of at most `max_tokens` columns.
class PassCutter {
 public:
  explicit PassCutter(int32_t max_tokens) : max_tokens_(max_tokens) {}

  int32_t room() const { return max_tokens_ - used_; }
  bool pass_is_empty() const { return passes_.back().empty(); }

  void add(const SequencePtr& sequence, int32_t pads, int32_t first, int32_t count) {
    passes_.back().push_back({sequence, pads, first, count});
    used_ += pads + count;
  }

  void close_pass() {
    if (pass_is_empty()) return;
    passes_.emplace_back();
    used_ = 0;
  }

  std::vector<PromptPass> take() {
    if (pass_is_empty()) passes_.pop_back();
    return std::move(passes_);
  }

 private:
  int32_t max_tokens_;
  int32_t used_ = 0;
  std::vector<PromptPass> passes_{1};
};

// Feeds the first `count` tokens of the prompt but for those it shares, cut at page borders where
// they do not fit.
void add_packed(PassCutter& cutter, const SequencePtr& sequence, int32_t count) {
  for (int32_t first = sequence->shared_tokens; first < count;) {
    int32_t take = std::min(count - first, cutter.room());
    if (first + take < count) {
      const int32_t border = (first + take) / kPageSize * kPageSize;
      if (border > first) {
        take = border - first;
      } else if (!cutter.pass_is_empty()) {
        cutter.close_pass();  // a fresh pass may reach a border
        continue;
      }
    }
    cutter.add(sequence, 0, first, take);
    first += take;
    if (first < count) cutter.close_pass();
  }
}

// Feeds columns [begin, end) of the prompt left-padded to `width`.
void add_padded(PassCutter& cutter, const SequencePtr& sequence, int32_t width, int32_t begin,
                int32_t end) {
  const int32_t all_pads = width - sequence->prompt_len();
  const int32_t pads = std::clamp(all_pads - begin, 0, end - begin);
  cutter.add(sequence, pads, std::max(0, begin - all_pads), end - begin - pads);
}

std::vector<PromptPass> plan_padded(const std::vector<SequencePtr>& batch, int32_t width,
                                    int32_t max_tokens) {
  PassCutter cutter(max_tokens);
  for (const SequencePtr& sequence : batch) {
    // A row goes into one pass where it fits one, else column block by column block.
    if (width > cutter.room()) cutter.close_pass();
    for (int32_t begin = 0; begin < width;) {
      const int32_t end = std::min(width, begin + cutter.room());
      add_padded(cutter, sequence, width, begin, end);
      begin = end;
      if (begin < width) cutter.close_pass();
    }
  }
  return cutter.take();
}

// Rows that copy a page come in a later wave than the row that begins it.
std::vector<std::vector<SequencePtr>> find_waves(const std::vector<SequencePtr>& batch,
                                                 const std::vector<int32_t>& sources) {
  std::vector<std::vector<SequencePtr>> waves;
  std::vector<size_t> wave_of;
  for (size_t i = 0; i < batch.size(); ++i) {
    size_t wave = 0;
    if (sources[i] >= 0) {
      const bool copies = batch[i]->shared_tokens % kPageSize != 0;
      wave = wave_of[static_cast<size_t>(sources[i])] + (copies ? 1 : 0);
    }
    wave_of.push_back(wave);
    if (wave == waves.size()) waves.emplace_back();
    waves[wave].push_back(batch[i]);
  }
  return waves;
}

}  // namespace

PromptPlan plan_prompts(const std::vector<SequencePtr>& batch, PromptPolicy policy,
                        int max_tokens) {
  const auto by_length = [](const auto& a, const auto& b) {
    return a->prompt_len() < b->prompt_len();
  };
  const auto [shortest, longest] = std::minmax_element(batch.begin(), batch.end(), by_length);
  PromptPlan plan;
  if (batch.empty()) return plan;
  PrefixSources sources;
  for (const SequencePtr& sequence : batch) {
    plan.sources.push_back(sources.source_of(sequence->shared_tokens));
    sources.add(sequence->shared_tokens);
  }

  // How many tokens of a prompt the passes feed.
  int32_t fed = (*longest)->prompt_len();
  if (policy == PromptPolicy::kMinLength) fed = (*shortest)->prompt_len();
  if (policy == PromptPolicy::kSerial) fed = 0;
  for (const SequencePtr& sequence : batch) {
    plan.last_fed.push_back(std::min(fed, sequence->prompt_len()) - 1);
  }
  if (policy == PromptPolicy::kPadded) {
    plan.passes = plan_padded(batch, fed, max_tokens);
    return plan;
  }
  PassCutter cutter(max_tokens);
  for (const std::vector<SequencePtr>& wave : find_waves(batch, plan.sources)) {
    cutter.close_pass();
    for (const SequencePtr& sequence : wave) {
      add_packed(cutter, sequence, std::min(fed, sequence->prompt_len()));
    }
  }
  plan.passes = cutter.take();
  return plan;
}

}  // namespace eet
