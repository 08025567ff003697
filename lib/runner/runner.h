// What runs on one device: weights, KV cache and all memory, passes issued and results read.
#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "lib/cache/kv_cache.h"
#include "lib/core/replay_cache.h"
#include "lib/device.h"
#include "lib/engine_options.h"
#include "lib/engine_stats.h"
#include "lib/memory_plan.h"
#include "lib/model/decoder.h"
#include "lib/runner/key_counter.h"
#include "lib/runner/pass_clock.h"
#include "lib/runner/pass_inputs.h"
#include "lib/sampling/sampler.h"
#include "lib/sampling/scorer.h"
#include "lib/sampling/top_logprobs.h"
#include "lib/schedule/sequence.h"

namespace eet {

// Prompt tokens [first, first + count) of a row whose scores a pass brings.
struct ScoredTokens {
  SequencePtr sequence;
  int32_t first = 0;
  int32_t count = 0;
};

// A pass that was issued, and what its tokens mean once they are known.
struct IssuedPass {
  bool decode = false;
  std::vector<SequencePtr> rows;     // in the order of the results
  std::vector<ScoredTokens> scored;  // likewise
  Scorer::Result scores;
  Sampler::Result result;
  TopLogprobs::Result top;  // empty where no row wants it
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
};

class Runner {
 public:
  // Plans and takes all memory; throws Error when it does not fit. Without a loader the weights are
  // random, drawn from options.seed.
  Runner(const ModelConfig& config, const TensorLoader& loader, const EngineOptions& options);
  // Waits for the device, which may still be at work on this memory.
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Tells the device of rows that start. Their passes come after.
  void start(const std::vector<SequencePtr>& rows);
  void issue(const PromptPass& pass);
  // `repeated_tokens` of those that the rows read are in pages that several of them share, counted
  // for all of these but one.
  void issue_decode_step(const std::vector<SequencePtr>& rows, int64_t repeated_tokens);

  // Passes on their way. The oldest must be collected when there are as many as max_under_way().
  size_t num_under_way() const { return issued_.size(); }
  size_t max_under_way() const;
  // Waits for the oldest pass. Its results are valid until the next pass is issued.
  IssuedPass collect();

  const ModelConfig& config() const { return config_; }
  const EngineShape& shape() const { return shape_; }
  int64_t num_slabs() const { return cache_.num_slabs(); }
  int64_t num_slabs_alone() const { return num_slabs_alone_; }  // as slabs_without_others()
  EngineStats& stats() { return stats_; }
  const std::vector<MemoryItem>& memory() const { return ledger_; }
  int64_t peak_device_bytes() const;  // measured, 0 on the CPU
  std::string device_name() const { return device_.description(); }
  std::string device_kind() const { return device_.kind(); }

 private:
  void count_prompts(const ForwardBatch& batch, bool penalised);
  void share_prompt(const Sequence& leader);
  void copy_shared_page(const Sequence& sequence, int32_t shared_tokens);
  void take_prefixes(const PromptPass& pass);
  void score(const ForwardBatch& batch);
  void take_top_logprobs(IssuedPass& pass);
  void record_issued(IssuedPass pass);

  using Clock = std::chrono::steady_clock;

  const Clock::time_point started_at_ = Clock::now();  // before everything that takes memory
  ModelConfig config_;
  OpenDevice device_;
  const Context& ctx_ = device_.context();
  const int64_t free_bytes_at_start_ = device_.memory().free_bytes;
  EngineShape shape_;
  const int64_t num_slabs_alone_;
  const KeyCounter keys_{config_};
  PlacedWeights weights_;
  Decoder decoder_;
  PassInputs inputs_;
  Sampler sampler_;
  Scorer scorer_;
  TopLogprobs top_logprobs_;
  KvCache cache_;
  ReplayCache decode_steps_{ctx_};
  PassClock clock_{ctx_};

  std::deque<IssuedPass> issued_;  // oldest first
  Clock::time_point collected_at_;
  std::vector<MemoryItem> ledger_;
  EngineStats stats_;
};

}  // namespace eet
