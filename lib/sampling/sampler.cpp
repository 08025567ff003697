#include "lib/sampling/sampler.h"

#include <algorithm>
#include <vector>

#include "kernels/contract/sampling_rules.h"

namespace eet {

Sampler::Sizes Sampler::sizes(const Context& ctx, int64_t vocab_size, int max_rows,
                              int64_t max_model_len, bool replay) {
  const auto slots = static_cast<size_t>(max_rows) + 1;
  return {.params = slots * sizeof(SlotParams),
          .states = slots * sizeof(SlotState),
          .token_counts = slots * vocab_size * sizeof(uint16_t),
          .prompts = replay ? slots * max_model_len * sizeof(int32_t) : 0,
          .scratch = ops::sample_scratch_bytes(ctx, max_rows, vocab_size),
          .last_place = sizeof(int32_t)};
}

int64_t Sampler::memory_bytes(const Context& ctx, int64_t vocab_size, int max_rows,
                              int64_t max_model_len, bool replay) {
  const Sizes all = sizes(ctx, vocab_size, max_rows, max_model_len, replay);
  return static_cast<int64_t>(all.params + all.states + all.token_counts + all.prompts +
                              all.scratch + all.last_place);
}

Sampler::Sampler(const Context& ctx, int64_t vocab_size, int max_rows, int64_t max_model_len,
                 bool replay)
    : ctx_(ctx), max_rows_(max_rows) {
  const Sizes bytes = sizes(ctx, vocab_size, max_rows, max_model_len, replay);
  const size_t results_bytes = max_rows_ * (sizeof(int32_t) + sizeof(float));
  params_ = allocate(ctx, bytes.params, "sampling parameters");
  states_ = allocate(ctx, bytes.states, "row states");
  token_counts_ = allocate(ctx, bytes.token_counts, "token counts");
  scratch_ = allocate(ctx, bytes.scratch, "sampling scratch");
  results_ = allocate_staging(ctx, results_bytes * kPassPlaces, "sampled tokens");
  last_place_ = allocate(ctx, bytes.last_place, "place of sampled tokens");
  fill_bytes(ctx, last_place_.data(), 0, bytes.last_place);
  admit_staging_ = allocate_staging(ctx, bytes.params + bytes.states, "row admission staging");
  if (replay) {
    prompts_ = allocate(ctx, bytes.prompts, "replayed prompts");
    prompt_staging_ = allocate_staging(ctx, bytes.prompts, "replayed prompt staging");
  }
  tables_.params = params_.as<SlotParams>();
  tables_.states = states_.as<SlotState>();
  tables_.token_counts = token_counts_.as<uint16_t>();
  tables_.prompts = prompts_.as<int32_t>();
  tables_.prompts_stride = max_model_len;
  tables_.vocab_size = vocab_size;
  ring_ = {.places = results_.as<int32_t>(),
           .num_places = kPassPlaces,
           .max_rows = max_rows_,
           .last_place = last_place_.as<int32_t>()};
  write_slot(idle_slot(), {}, {.status = SlotStatus::kStop});
}

// Uploads a slot's parameters and state by way of its place in the staging memory.
void Sampler::write_slot(int slot, const SlotParams& params, const SlotState& state) {
  auto* staged_params = admit_staging_.as<SlotParams>() + slot;
  auto* staged_state =
      reinterpret_cast<SlotState*>(admit_staging_.as<SlotParams>() + max_rows_ + 1) + slot;
  *staged_params = params;
  *staged_state = state;
  upload(ctx_, tables_.params + slot, staged_params, sizeof params);
  upload(ctx_, tables_.states + slot, staged_state, sizeof state);
}

void Sampler::admit(const Sequence& sequence) {
  const int slot = sequence.slot;
  // Where the passes feed the whole prompt, sampling starts at its last token.
  const int32_t next_position = std::min(sequence.position, sequence.prompt_len() - 1);
  write_slot(slot, sequence.params,
             {.position = next_position, .num_generated = sequence.num_carried});
  if (sampling::has_penalties(sequence.params)) write_counts(sequence);
  if (tables_.prompts != nullptr) {
    const int64_t first = slot * tables_.prompts_stride;
    int32_t* staging = prompt_staging_.as<int32_t>() + first;
    std::copy_n(sequence.request.prompt.begin(), sequence.prompt_len(), staging);
    upload(ctx_, prompts_.as<int32_t>() + first, staging, sequence.prompt_len() * sizeof(int32_t));
  }
}

// Counts of the tokens that the row has generated; its prompt passes mark those of the prompt.
void Sampler::write_counts(const Sequence& sequence) {
  uint16_t* counts = tables_.token_counts + sequence.slot * tables_.vocab_size;
  const size_t bytes = tables_.vocab_size * sizeof(uint16_t);
  if (sequence.num_carried == 0) return fill_bytes(ctx_, counts, 0, bytes);
  std::vector<uint16_t> carried(static_cast<size_t>(tables_.vocab_size), 0);
  const std::vector<int32_t>& prompt = sequence.request.prompt;
  std::for_each(prompt.end() - sequence.num_carried, prompt.end(), [&](int32_t id) {
    uint16_t& count = carried[static_cast<size_t>(id)];
    if (count < kInPrompt - 1) ++count;
  });
  upload(ctx_, counts, carried.data(), bytes);
  synchronize(ctx_);  // the counts on the host end here
}

void Sampler::copy_prompt_counts(int from_slot, int to_slot) {
  const auto bytes = static_cast<size_t>(tables_.vocab_size) * sizeof(uint16_t);
  copy_rows(ctx_, tables_.token_counts + to_slot * tables_.vocab_size,
            tables_.token_counts + from_slot * tables_.vocab_size, bytes, bytes, 1);
}

void Sampler::sample(TensorView logits, const int32_t* slots) {
  ops::sample(ctx_, ring_, logits, slots, tables_, scratch_.data());
}

Sampler::Result Sampler::next_result() {
  last_result_ = ring_.place_after(last_result_);
  return {.token_ids = ring_.token_ids(last_result_), .logprobs = ring_.logprobs(last_result_)};
}

}  // namespace eet
