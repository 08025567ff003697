#include "lib/runner/runner.h"

#include <algorithm>

namespace eet {
namespace {

double seconds_between(std::chrono::steady_clock::time_point begin,
                       std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

PlacedWeights place(const Context& ctx, const ModelConfig& config, const EngineShape& shape,
                    const TensorLoader& loader, uint64_t seed) {
  return loader ? load_weights(ctx, config, shape.dtype, shape.max_model_len, loader)
                : random_weights(ctx, config, shape.dtype, shape.max_model_len, seed);
}

// Rows of a decode step that may read the pages that they have in common together.
int prefix_group_rows(const ModelConfig& config, const Decoder& decoder) {
  if (!decoder.reads_prefixes_once()) return 0;
  const AttentionConfig& attention = config.attention();
  return eet::prefix_group_rows(static_cast<int>(attention.num_heads / attention.num_kv_heads));
}

bool penalises_prompt(const Sequence& sequence) {
  return sequence.params.repetition_penalty != 1.0F;
}

// Rows of the graph that runs a decode step of `rows` rows.
size_t graph_rows(size_t rows, int max_num_seqs) {
  const size_t step = rows <= 8 ? 1 : rows <= 64 ? 8 : 16;
  return std::min((rows + step - 1) / step * step, static_cast<size_t>(max_num_seqs));
}

// Context of the graph that runs a decode step of up to `context_len` tokens: steps share one as
// long as their attention is issued alike.
int graph_context_len(const Context& ctx, int context_len, int64_t max_model_len) {
  return static_cast<int>(
      std::min(ops::longest_context_split_alike(ctx, context_len), max_model_len));
}

}  // namespace

Runner::Runner(const ModelConfig& config, const TensorLoader& loader, const EngineOptions& options)
    : config_(config),
      device_(options.device, options.num_threads),
      shape_((validate(config_), choose_shape(config_, options, device_))),
      num_slabs_alone_(slabs_without_others(config_, options, shape_, device_)),
      weights_(place(ctx_, config_, shape_, loader, options.seed)),
      decoder_(ctx_, config_, weights_.weights, pass_limits(shape_)),
      inputs_(ctx_, shape_.max_batched_tokens, shape_.max_num_seqs, shape_.max_model_len,
              shape_.page_groups.groups.size(), config_.longrope(),
              prefix_group_rows(config_, decoder_)),
      sampler_(ctx_, config_.vocab_size, shape_.max_num_seqs, shape_.max_model_len,
               replays_prompts(options.prompt_policy)),
      scorer_(ctx_, config_.vocab_size, shape_.max_batched_tokens),
      top_logprobs_(ctx_, config_.vocab_size, shape_.max_num_seqs),
      cache_(ctx_, config_, shape_.dtype, shape_.page_groups, shape_.max_model_len,
             choose_num_slabs(config_, options, shape_, device_)) {
  decoder_.tune();
  synchronize(ctx_);
  ledger_ = memory_ledger(config_, options, shape_, device_, /*from_checkpoint=*/loader != nullptr);
  ledger_.push_back(KvCache::memory(config_, shape_.dtype, shape_.page_groups, cache_.num_slabs()));
  collected_at_ = Clock::now();
  stats_.load_seconds = seconds_between(started_at_, collected_at_);
  stats_.decode_steps_by_rows.resize(shape_.max_num_seqs + 1);
}

Runner::~Runner() {
  try {
    synchronize(ctx_);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the run has failed already and said why
  }
}

size_t Runner::max_under_way() const {
  return ctx_.on_cuda() ? kPassesUnderWayOnGpu : kPassesUnderWayOnCpu;
}

int64_t Runner::peak_device_bytes() const {
  if (!ctx_.on_cuda()) return 0;
  return free_bytes_at_start_ - device_.memory().free_bytes;
}

void Runner::start(const std::vector<SequencePtr>& rows) {
  int64_t longest = 0;
  int64_t num_prompts = 0;
  for (const SequencePtr& sequence : rows) {
    inputs_.set_pages(sequence->slot, sequence->pages);
    sampler_.admit(*sequence);
    if (sequence->follows) continue;
    ++num_prompts;
    longest = std::max<int64_t>(longest, sequence->prompt_len());
    stats_.prompt_tokens += sequence->prompt_len() - sequence->shared_tokens;
    stats_.shared_tokens += sequence->shared_tokens;
  }
  stats_.padded_positions += longest * num_prompts;
  ++stats_.batches;
}

// Marks the prompt tokens that `batch` feeds, for rows that penalise repeating them.
void Runner::count_prompts(const ForwardBatch& batch, bool penalised) {
  if (!penalised) return;
  ops::count_prompt_tokens(ctx_, sampler_.tables(), batch.token_ids, batch.positions,
                           batch.token_slots, batch.num_tokens);
}

// Gives the followers of a sequence, whose whole prompt has been fed, what they do not have in
// common with it: a copy of the page that the prompt fills in part, and of its counts.
void Runner::share_prompt(const Sequence& leader) {
  for (const SequencePtr& follower : leader.followers) {
    copy_shared_page(*follower, leader.prompt_len());
    if (penalises_prompt(leader)) sampler_.copy_prompt_counts(leader.slot, follower->slot);
  }
}

// Gives a row its own copy of the page in which the tokens that it shares end.
void Runner::copy_shared_page(const Sequence& sequence, int32_t shared_tokens) {
  for (size_t group = 0; group < sequence.pages.size(); ++group) {
    const SequencePages& pages = sequence.pages[group];
    if (pages.copied_page < 0) continue;
    const auto entry = static_cast<size_t>(shared_tokens / kPageSize);
    cache_.copy_page(group, pages.copied_page, pages.table[entry]);
  }
}

// Gives the rows that begin in this pass what they have of other rows: the page to copy, and marks
// of the prompt tokens that no pass feeds for them.
void Runner::take_prefixes(const PromptPass& pass) {
  PromptPass unmarked;
  int32_t num_unmarked = 0;
  const auto mark = [&] {
    if (num_unmarked > 0) count_prompts(inputs_.prompt_pass(unmarked), /*penalised=*/true);
    unmarked.clear();
    num_unmarked = 0;
  };
  for (const PromptSegment& segment : pass) {
    if (!segment.continues_prefix()) continue;
    const Sequence& sequence = *segment.sequence;
    copy_shared_page(sequence, sequence.shared_tokens);
    if (!penalises_prompt(sequence)) continue;
    for (int32_t first = 0; first < sequence.shared_tokens;) {
      const int32_t count =
          std::min(sequence.shared_tokens - first, shape_.max_batched_tokens - num_unmarked);
      unmarked.push_back({.sequence = segment.sequence, .first = first, .count = count});
      first += count;
      num_unmarked += count;
      if (num_unmarked == shape_.max_batched_tokens) mark();
    }
  }
  mark();
}

// Scores the batch's tokens, as many at a time as the LM head takes.
void Runner::score(const ForwardBatch& batch) {
  for (int first = 0; first < batch.num_scored; first += shape_.max_num_seqs) {
    const int count = std::min(shape_.max_num_seqs, batch.num_scored - first);
    scorer_.score(decoder_.logits(batch.scored_tokens + first, count), batch.scored_targets + first,
                  first);
  }
}

// The likeliest tokens of the pass's rows, where one of them wants them: behind the pass and apart
// from its graph, so that passes of rows that do not are as they were.
void Runner::take_top_logprobs(IssuedPass& pass) {
  int32_t count = 0;
  for (const SequencePtr& sequence : pass.rows) {
    count = std::max(count, sequence->request.top_logprobs);
  }
  if (count == 0) return;
  const auto rows = static_cast<int64_t>(pass.rows.size());
  pass.top = top_logprobs_.take(decoder_.last_logits(rows), count);
}

void Runner::issue(const PromptPass& pass) {
  IssuedPass issued_pass;
  clock_.begin();
  take_prefixes(pass);
  const ForwardBatch batch = inputs_.prompt_pass(pass);
  bool penalised = false;
  for (const PromptSegment& segment : pass) {
    const SequencePtr& sequence = segment.sequence;
    stats_.prefill_tokens += segment.count;
    stats_.prefill_context_tokens += keys_.of_queries(segment.first, segment.count);
    penalised |= penalises_prompt(*sequence);
    if (segment.first_scored() < segment.end()) {
      issued_pass.scored.push_back({.sequence = sequence,
                                    .first = segment.first_scored() + 1,
                                    .count = segment.end() - segment.first_scored()});
    }
    if (segment.samples_next()) {
      std::vector<SequencePtr>& rows = issued_pass.rows;
      rows.push_back(sequence);
      rows.insert(rows.end(), sequence->followers.begin(), sequence->followers.end());
    }
    if (segment.ends_prompt()) ++sequence->num_issued;
  }
  count_prompts(batch, penalised);
  ++stats_.prefill_passes;
  stats_.prompt_positions += batch.num_tokens;
  const TensorView logits = decoder_.forward(batch, cache_);
  for (const SequencePtr& sequence : issued_pass.rows) share_prompt(*sequence);
  if (!issued_pass.rows.empty()) sampler_.sample(logits, batch.logits_slots);
  take_top_logprobs(issued_pass);
  score(batch);
  issued_pass.scores = scorer_.fetch(batch.num_scored);
  record_issued(std::move(issued_pass));
}

void Runner::issue_decode_step(const std::vector<SequencePtr>& rows, int64_t repeated_tokens) {
  IssuedPass issued_pass;
  clock_.begin();
  issued_pass.rows = rows;
  std::vector<int32_t> slots;
  int32_t max_context_len = 0;
  int replayed = 0;
  bool penalised = false;  // a replayed row penalises repetition of its prompt
  for (const SequencePtr& sequence : rows) {
    if (sequence->position < sequence->prompt_len()) {
      ++replayed;
      penalised |= penalises_prompt(*sequence);
    }
    slots.push_back(sequence->slot);
    max_context_len = std::max(max_context_len, ++sequence->position);
    stats_.decode_context_tokens += keys_.of_query(sequence->position);
    if (sequence->position >= sequence->prompt_len()) ++sequence->num_issued;
  }
  stats_.decode_repeated_tokens += keys_.of_prefix(repeated_tokens);
  ++stats_.decode_steps;
  ++stats_.decode_steps_by_rows[slots.size()];
  stats_.decode_row_steps += static_cast<int64_t>(rows.size());
  stats_.prompt_positions += replayed;
  // Steps of nearly the same shape share a graph: idle rows fill up the batch, and the context is
  // only an upper bound. Neither changes the arithmetic of a row.
  if (ctx_.on_cuda()) {
    slots.resize(graph_rows(slots.size(), shape_.max_num_seqs), sampler_.idle_slot());
    max_context_len = graph_context_len(ctx_, max_context_len, shape_.max_model_len);
  }
  const ForwardBatch batch =
      inputs_.decode_step(slots, replayed, max_context_len, rows, repeated_tokens > 0);
  const auto issue_step = [&] {
    inputs_.fill_decode_step(batch, sampler_.tables());
    count_prompts(batch, penalised);
    sampler_.sample(decoder_.forward(batch, cache_), batch.logits_slots);
  };
  if (replayed > 0) {
    issue_step();
  } else {
    decode_steps_.run({batch.num_rows, batch.max_context_len, batch.prefixes.num_groups,
                       batch.prefixes.least_pages},
                      issue_step);
  }
  take_top_logprobs(issued_pass);
  issued_pass.decode = replayed < static_cast<int>(rows.size());
  record_issued(std::move(issued_pass));
}

// Notes a pass on its way; its rows are in the order they were sampled in.
void Runner::record_issued(IssuedPass pass) {
  if (!pass.rows.empty()) pass.result = sampler_.next_result();
  clock_.end();
  issued_.push_back(std::move(pass));
}

IssuedPass Runner::collect() {
  IssuedPass pass = std::move(issued_.front());
  issued_.pop_front();
  const double idle_seconds = clock_.collect();
  if (pass.decode) stats_.decode_idle_seconds += idle_seconds;
  const Clock::time_point now = Clock::now();
  (pass.decode ? stats_.decode_seconds : stats_.prefill_seconds) +=
      seconds_between(std::max(pass.started, collected_at_), now);
  collected_at_ = now;
  return pass;
}

}  // namespace eet
