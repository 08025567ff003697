// The device's tables of running rows, and the sampling step over them.
#pragma once

#include <span>

#include "lib/core/memory.h"
#include "lib/core/pipeline.h"
#include "lib/ops/ops.h"
#include "lib/schedule/sequence.h"

namespace eet {

class Sampler {
 public:
  // With `replay` the prompts are kept on the device too, so that decode steps can feed them.
  Sampler(const Context& ctx, int64_t vocab_size, int max_rows, int64_t max_model_len, bool replay);

  // Writes the tables for a row that starts in its slot; its `position` is what it feeds after its
  // prompt passes. Waits for the device where the row has generated tokens already that count. A
  // slot is admitted again only once its last user's last token is known.
  void admit(const Sequence& sequence);

  // Gives one slot the counts of another, whose prompt it shares: they hold the prompt's tokens.
  void copy_prompt_counts(int from_slot, int to_slot);

  // A slot that has ended for good: rows that only fill up a batch use it.
  int idle_slot() const { return static_cast<int>(max_rows_); }

  // Samples a token for each row of `logits`.
  void sample(TensorView logits, const int32_t* slots);

  // Tokens sampled in one pass, once a fence recorded after it has passed.
  struct Result {
    const int32_t* token_ids = nullptr;  // [rows]
    const float* logprobs = nullptr;     // [rows]
  };

  // Where the tokens of the pass issued last will be; called once for each pass that samples.
  // Results rotate: one is overwritten by the kPassPlaces-th pass after it.
  Result next_result();

  const SlotTables& tables() const { return tables_; }

  // What one takes on the device.
  static int64_t memory_bytes(const Context& ctx, int64_t vocab_size, int max_rows,
                              int64_t max_model_len, bool replay);

 private:
  // Bytes of each of the buffers on the device.
  struct Sizes {
    size_t params, states, token_counts, prompts, scratch, last_place;
  };
  static Sizes sizes(const Context& ctx, int64_t vocab_size, int max_rows, int64_t max_model_len,
                     bool replay);
  void write_counts(const Sequence& sequence);
  void write_slot(int slot, const SlotParams& params, const SlotState& state);

  const Context& ctx_;
  int64_t max_rows_;
  Buffer params_, states_, token_counts_, prompts_, scratch_;  // of max_rows + 1 slots
  Buffer admit_staging_;                                       // [max_rows + 1] params, then states
  Buffer prompt_staging_;  // [max_rows, max_model_len] tokens, with replay
  Buffer results_;         // kPassPlaces places of the ring, on the host
  Buffer last_place_;      // of the ring, on the device
  SlotTables tables_;
  SampledRing ring_;
  int32_t last_result_ = 0;  // what last_place_ will be once all passes issued are done
};

}  // namespace eet
