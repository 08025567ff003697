#include "lib/engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>

#include "lib/cache/kv_cache.h"
#include "lib/core/replay_cache.h"
#include "lib/device.h"
#include "lib/memory_plan.h"
#include "lib/model/decoder.h"
#include "lib/pass_clock.h"
#include "lib/pass_inputs.h"
#include "lib/request_check.h"
#include "lib/sampling/sampler.h"
#include "lib/sampling/scorer.h"
#include "lib/schedule/scheduler.h"

namespace eet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

Weights place(const Context& ctx, const ModelConfig& config, const EngineShape& shape,
              const TensorLoader& loader, uint64_t seed) {
  return loader ? load_weights(ctx, config, shape.dtype, shape.max_model_len, loader)
                : random_weights(ctx, config, shape.dtype, shape.max_model_len, seed);
}

SchedulerOptions scheduler_options(const EngineOptions& options, const EngineShape& shape) {
  const auto max_num_seqs = static_cast<size_t>(shape.max_num_seqs);
  return {.schedule = options.schedule,
          .prompt_policy = options.prompt_policy,
          .max_num_seqs = max_num_seqs,
          .max_batched_tokens = shape.max_batched_tokens,
          .sort_window = options.rows_sorted_together(max_num_seqs)};
}

bool penalises_prompt(const Sequence& sequence) {
  return sequence.params.repetition_penalty != 1.0F;
}

// Tokens that the tokens of a segment attend to, added up: each to those before it and to itself.
int64_t attended_tokens(const PromptSegment& segment) {
  const int64_t count = segment.count;
  return count * segment.first + count * (count + 1) / 2;
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
  Clock::time_point started = Clock::now();
};

TokenOutput non_finite(const Sequence& sequence) {
  return {.row = sequence.request.row,
          .sample = sequence.sample,
          .finish = FinishReason::kError,
          .error = RowError{"non_finite_logits",
                            "the model's logits are not finite; try another --dtype"}};
}

}  // namespace

struct Engine::Impl {
  Impl(const ModelConfig& model_config, const TensorLoader& loader, const EngineOptions& opts);

  std::optional<RowError> check_score_from(const Request& request) const;
  bool issue();
  void start_rows();
  void count_prompts(const ForwardBatch& batch, bool penalised);
  void share_prompt(const Sequence& leader);
  void score(const ForwardBatch& batch);
  void issue_prompt_pass(const PromptPass& pass);
  void issue_decode_step(const std::vector<SequencePtr>& rows);
  void record_issued(IssuedPass pass);
  void collect();
  void take_token(Sequence& sequence, int32_t token_id, float logprob);
  void take_scores(const ScoredTokens& tokens, const float* logprobs, const int32_t* is_argmax);
  void give_out(Sequence& sequence, TokenOutput output);

  const Clock::time_point started_at = Clock::now();  // before everything that takes memory
  ModelConfig config;
  EngineOptions options;
  OpenDevice device;
  const Context& ctx = device.context();
  const int64_t free_bytes_at_start = device.memory().free_bytes;
  EngineShape shape;
  const int64_t num_pages_alone = pages_without_others(config, options, shape, device);
  Weights weights;
  Decoder decoder;
  PassInputs inputs;
  Sampler sampler;
  Scorer scorer;
  KvCache cache;
  ReplayCache decode_steps{ctx};
  PassClock clock{ctx};
  Scheduler scheduler;

  std::deque<IssuedPass> issued;  // oldest first
  Clock::time_point collected_at;

  std::vector<TokenOutput> outputs;
  std::vector<MemoryItem> ledger;
  EngineStats stats;
};

Engine::Impl::Impl(const ModelConfig& model_config, const TensorLoader& loader,
                   const EngineOptions& opts)
    : config(model_config),
      options(opts),
      device(opts.device, opts.num_threads),
      shape((validate(config), choose_shape(config, opts, device))),
      weights(place(ctx, config, shape, loader, opts.seed)),
      decoder(ctx, config, weights, shape.dtype, shape.max_batched_tokens, shape.max_num_seqs,
              shape.max_model_len),
      inputs(ctx, shape.max_batched_tokens, shape.max_num_seqs, shape.max_model_len),
      sampler(ctx, config.vocab_size, shape.max_num_seqs, shape.max_model_len,
              replays_prompts(opts.prompt_policy)),
      scorer(ctx, config.vocab_size, shape.max_batched_tokens),
      cache(ctx, config, shape.dtype, choose_num_pages(config, opts, shape, device)),
      scheduler(scheduler_options(opts, shape),
                cache.bytes() / KvCache::page_bytes(config, shape.dtype)) {
  decoder.tune();
  synchronize(ctx);
  ledger = {
      {"weights", weights.bytes},
      {"activations", decoder.activation_bytes()},
      {"logits", decoder.logits_bytes()},
      {"batch inputs and block tables", inputs.bytes()},
      {"sampling and scoring", sampler.bytes() + scorer.bytes()},
      {concat("KV cache (", scheduler.pages().num_pages(), " pages of ", kPageSize, " tokens)"),
       cache.bytes()}};
  if (const int64_t bytes = device.workspace_bytes()) {
    ledger.push_back({"matrix product workspace", bytes});
  }
  collected_at = Clock::now();
  stats.load_seconds = seconds_between(started_at, collected_at);
  stats.decode_steps_by_rows.resize(shape.max_num_seqs + 1);
}

std::optional<RowError> Engine::Impl::check_score_from(const Request& request) const {
  if (!request.score_from) return std::nullopt;
  const auto size = static_cast<int64_t>(request.prompt.size());
  if (*request.score_from < 1 || *request.score_from >= size) {
    return RowError{"nothing_to_score",
                    concat("of ", size, " tokens none from token ", *request.score_from,
                           " on has a token before it to be predicted from")};
  }
  if (replays_prompts(options.prompt_policy)) {
    return RowError{"unsupported_parameter",
                    "scoring feeds whole prompts; use --prompt-policy packed or padded"};
  }
  return std::nullopt;
}

// Lets waiting rows start and tells the device of them.
void Engine::Impl::start_rows() {
  const std::vector<SequencePtr> rows = scheduler.start_rows(issued.empty());
  if (rows.empty()) return;
  int64_t longest = 0;
  int64_t num_prompts = 0;
  for (const SequencePtr& sequence : rows) {
    inputs.set_pages(sequence->slot, sequence->pages);
    sampler.admit(*sequence);
    if (sequence->follows) continue;
    ++num_prompts;
    longest = std::max<int64_t>(longest, sequence->prompt_len());
    stats.prompt_tokens += sequence->prompt_len();
  }
  stats.padded_positions += longest * num_prompts;
  ++stats.batches;
}

// Marks the prompt tokens that `batch` feeds, for rows that penalise repeating them.
void Engine::Impl::count_prompts(const ForwardBatch& batch, bool penalised) {
  if (!penalised) return;
  ops::count_prompt_tokens(ctx, sampler.tables(), batch.token_ids, batch.positions,
                           batch.token_slots, batch.num_tokens);
}

// Gives the followers of a sequence, whose whole prompt has been fed, what they do not have in
// common with it: a copy of the page that the prompt fills in part, and of its counts.
void Engine::Impl::share_prompt(const Sequence& leader) {
  const int32_t page = leader.prompt_len() / kPageSize;
  const bool has_part = leader.prompt_len() % kPageSize != 0;
  for (const SequencePtr& follower : leader.followers) {
    if (has_part) cache.copy_page(leader.pages[page], follower->pages[page]);
    if (penalises_prompt(leader)) sampler.copy_prompt_counts(leader.slot, follower->slot);
  }
}

// Scores the batch's tokens, as many at a time as the LM head takes.
void Engine::Impl::score(const ForwardBatch& batch) {
  for (int first = 0; first < batch.num_scored; first += shape.max_num_seqs) {
    const int count = std::min(shape.max_num_seqs, batch.num_scored - first);
    scorer.score(decoder.logits(batch.scored_tokens + first, count), batch.scored_targets + first,
                 first);
  }
}

void Engine::Impl::issue_prompt_pass(const PromptPass& pass) {
  IssuedPass issued_pass;
  clock.begin();
  const ForwardBatch batch = inputs.prompt_pass(pass);
  bool penalised = false;
  for (const PromptSegment& segment : pass) {
    const SequencePtr& sequence = segment.sequence;
    stats.prefill_tokens += segment.count;
    stats.prefill_context_tokens += attended_tokens(segment);
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
  ++stats.prefill_passes;
  stats.prompt_positions += batch.num_tokens;
  const TensorView logits = decoder.forward(batch, cache);
  for (const SequencePtr& sequence : issued_pass.rows) share_prompt(*sequence);
  if (!issued_pass.rows.empty()) sampler.sample(logits, batch.logits_slots);
  score(batch);
  issued_pass.scores = scorer.fetch(batch.num_scored);
  record_issued(std::move(issued_pass));
}

void Engine::Impl::issue_decode_step(const std::vector<SequencePtr>& rows) {
  IssuedPass issued_pass;
  clock.begin();
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
    stats.decode_context_tokens += sequence->position;
    if (sequence->position >= sequence->prompt_len()) ++sequence->num_issued;
  }
  ++stats.decode_steps;
  ++stats.decode_steps_by_rows[slots.size()];
  stats.decode_row_steps += static_cast<int64_t>(rows.size());
  stats.prompt_positions += replayed;
  // Steps of nearly the same shape share a graph: idle rows fill up the batch, and the context is
  // only an upper bound. Neither changes the arithmetic of a row.
  if (ctx.on_cuda()) {
    slots.resize(graph_rows(slots.size(), shape.max_num_seqs), sampler.idle_slot());
    max_context_len = graph_context_len(ctx, max_context_len, shape.max_model_len);
  }
  const ForwardBatch batch = inputs.decode_step(slots, replayed, max_context_len);
  const auto issue_step = [&] {
    inputs.fill_decode_step(batch, sampler.tables());
    count_prompts(batch, penalised);
    sampler.sample(decoder.forward(batch, cache), batch.logits_slots);
  };
  if (replayed > 0) {
    issue_step();
  } else {
    decode_steps.run({batch.num_rows, batch.max_context_len}, issue_step);
  }
  issued_pass.decode = replayed < static_cast<int>(rows.size());
  record_issued(std::move(issued_pass));
}

// Notes a pass on its way; its rows are in the order they were sampled in.
void Engine::Impl::record_issued(IssuedPass pass) {
  if (!pass.rows.empty()) pass.result = sampler.next_result();
  clock.end();
  issued.push_back(std::move(pass));
}

// Issues one pass; false when there is nothing to issue before a result is known.
bool Engine::Impl::issue() {
  start_rows();
  if (const std::optional<PromptPass> pass = scheduler.next_prompt_pass()) {
    issue_prompt_pass(*pass);
    return true;
  }
  const std::vector<SequencePtr>& rows = scheduler.decode_rows();
  if (rows.empty()) return false;
  issue_decode_step(rows);
  return true;
}

// Waits for the oldest pass and hands out its tokens.
void Engine::Impl::collect() {
  const IssuedPass pass = std::move(issued.front());
  issued.pop_front();
  const double idle_seconds = clock.collect();
  if (pass.decode) stats.decode_idle_seconds += idle_seconds;
  const Clock::time_point now = Clock::now();
  (pass.decode ? stats.decode_seconds : stats.prefill_seconds) +=
      seconds_between(std::max(pass.started, collected_at), now);
  collected_at = now;
  for (size_t i = 0; i < pass.rows.size(); ++i) {
    if (!pass.rows[i]->ended) {
      take_token(*pass.rows[i], pass.result.token_ids[i], pass.result.logprobs[i]);
    }
  }
  int64_t score = 0;
  for (const ScoredTokens& tokens : pass.scored) {
    take_scores(tokens, pass.scores.logprobs + score, pass.scores.is_argmax + score);
    score += tokens.count;
  }
}

// Hands an output to the caller; the sequence ends where it says so.
void Engine::Impl::give_out(Sequence& sequence, TokenOutput output) {
  if (output.finish != FinishReason::kNone) scheduler.end(sequence);
  outputs.push_back(std::move(output));
}

void Engine::Impl::take_token(Sequence& sequence, int32_t token_id, float logprob) {
  if (token_id == kTokenNone) return;
  if (token_id == kTokenNonFinite) return give_out(sequence, non_finite(sequence));
  TokenOutput output{.row = sequence.request.row,
                     .sample = sequence.sample,
                     .token_id = token_id,
                     .logprob = logprob};
  ++sequence.num_generated;
  ++stats.output_tokens;
  const int32_t* stops = sequence.params.stop_token_ids;
  const int32_t* stops_end = stops + sequence.params.num_stop_token_ids;
  if (std::find(stops, stops_end, token_id) != stops_end) {
    output.finish = FinishReason::kStop;
  } else if (sequence.num_generated == sequence.params.max_tokens) {
    output.finish = FinishReason::kLength;
  }
  give_out(sequence, std::move(output));
}

void Engine::Impl::take_scores(const ScoredTokens& tokens, const float* logprobs,
                               const int32_t* is_argmax) {
  Sequence& sequence = *tokens.sequence;
  const std::vector<int32_t>& prompt = sequence.request.prompt;
  for (int32_t i = 0; i < tokens.count && !sequence.ended; ++i) {
    if (!std::isfinite(logprobs[i])) return give_out(sequence, non_finite(sequence));
    const size_t index = static_cast<size_t>(tokens.first) + static_cast<size_t>(i);
    ++stats.scored_tokens;
    give_out(sequence,
             {.row = sequence.request.row,
              .token_id = prompt[index],
              .logprob = logprobs[i],
              .is_argmax = is_argmax[i] != 0,
              .finish = index + 1 == prompt.size() ? FinishReason::kStop : FinishReason::kNone});
  }
}

Engine::Engine(const ModelConfig& config, const TensorLoader& loader, const EngineOptions& options)
    : impl_(std::make_unique<Impl>(config, loader, options)) {}

Engine::~Engine() {
  // The device may still be at work on memory that goes with impl_.
  try {
    synchronize(impl_->ctx);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the run has failed already and said why
  }
}

std::optional<RowError> Engine::check(const Request& request) const {
  if (auto error = check_request(request, impl_->config, impl_->shape)) return error;
  if (auto error = impl_->check_score_from(request)) return error;
  return check_pages(request, impl_->shape, impl_->options.prompt_policy,
                     impl_->scheduler.pages().num_pages(), impl_->num_pages_alone);
}

void Engine::add_request(Request request) {
  auto sequence = std::make_shared<Sequence>();
  if (request.score_from) request.params = {};  // nothing is drawn
  request.params.max_tokens = tokens_that_fit(request, impl_->shape);
  sequence->request = std::move(request);
  sequence->params = to_slot_params(sequence->request.params, impl_->config, sequence->prompt_len(),
                                    impl_->options.seed, sequence->request.row);
  impl_->scheduler.add(std::move(sequence));
}

size_t Engine::num_waiting() const {
  return impl_->scheduler.num_waiting();
}
size_t Engine::sort_window() const {
  return impl_->scheduler.sort_window();
}

bool Engine::has_work() const {
  return num_waiting() > 0 || impl_->scheduler.has_running() || !impl_->issued.empty();
}

std::span<const TokenOutput> Engine::step() {
  impl_->outputs.clear();
  // On a GPU one pass runs while the host looks at the one before. On the CPU there is nobody to
  // run it meanwhile, and a row found finished would have been computed once too often.
  const size_t depth = impl_->ctx.on_cuda() ? 2 : 1;
  const bool progressing = impl_->issue();
  if (!impl_->issued.empty() && (!progressing || impl_->issued.size() >= depth)) impl_->collect();
  return impl_->outputs;
}

void Engine::stop(uint64_t row, int32_t sample) {
  if (const SequencePtr sequence = impl_->scheduler.find(row, sample)) {
    impl_->scheduler.end(*sequence);
  }
}

const ModelConfig& Engine::config() const {
  return impl_->config;
}
int64_t Engine::max_model_len() const {
  return impl_->shape.max_model_len;
}
int Engine::max_num_seqs() const {
  return impl_->shape.max_num_seqs;
}
DType Engine::dtype() const {
  return impl_->shape.dtype;
}
const EngineStats& Engine::stats() const {
  return impl_->stats;
}
const std::vector<MemoryItem>& Engine::memory() const {
  return impl_->ledger;
}

int64_t Engine::peak_device_bytes() const {
  if (!impl_->ctx.on_cuda()) return 0;
  return impl_->free_bytes_at_start - impl_->device.memory().free_bytes;
}

std::string Engine::device_name() const {
  return impl_->device.description();
}

std::string Engine::device_kind() const {
  return impl_->device.kind();
}

}  // namespace eet
