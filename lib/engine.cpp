#include "lib/engine.h"

#include <algorithm>
#include <chrono>
#include <deque>

#include "lib/cache/kv_cache.h"
#include "lib/core/replay_cache.h"
#include "lib/device.h"
#include "lib/memory_plan.h"
#include "lib/model/decoder.h"
#include "lib/pass_inputs.h"
#include "lib/sampling/sampler.h"
#include "lib/schedule/scheduler.h"

namespace eet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

bool needs_replay(PromptPolicy policy) {
  return policy == PromptPolicy::kMinLength || policy == PromptPolicy::kSerial;
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
          .sort_window = options.sort_window > 0 ? static_cast<size_t>(options.sort_window)
                                                 : 16 * max_num_seqs};
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

// Context of the graph that runs a decode step of up to `context_len` tokens: a split of decode
// attention too many is a block that finds nothing to do.
int graph_context_len(int context_len, int64_t max_model_len) {
  constexpr int kStep = 512;  // a split's length
  const int rounded = (context_len + kStep - 1) / kStep * kStep;
  return static_cast<int>(std::min<int64_t>(rounded, max_model_len));
}

// A pass that was issued, and what its tokens mean once they are known.
struct IssuedPass {
  bool decode = false;
  std::vector<SequencePtr> rows;  // in the order of the results
  Sampler::Result result;
  Clock::time_point started;
};

}  // namespace

struct Engine::Impl {
  Impl(const ModelConfig& model_config, const TensorLoader& loader, const EngineOptions& opts);

  bool issue();
  void start_rows();
  void count_prompts(const ForwardBatch& batch, bool penalised);
  void issue_prompt_pass(const PromptPass& pass);
  void issue_decode_step(const std::vector<SequencePtr>& rows);
  void record_issued(bool decode, std::vector<SequencePtr> rows, Clock::time_point started);
  void collect();
  void take_token(Sequence& sequence, int32_t token_id, float logprob);

  const Clock::time_point started_at = Clock::now();  // before everything that takes memory
  ModelConfig config;
  EngineOptions options;
  OpenDevice device;
  const Context& ctx = device.context();
  const int64_t free_bytes_at_start = device.memory().free_bytes;
  EngineShape shape;
  Weights weights;
  Decoder decoder;
  PassInputs inputs;
  Sampler sampler;
  KvCache cache;
  ReplayCache decode_steps{ctx};
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
              needs_replay(opts.prompt_policy)),
      cache(ctx, config, shape.dtype, choose_num_pages(config, opts, shape, device)),
      scheduler(scheduler_options(opts, shape),
                cache.bytes() / KvCache::page_bytes(config, shape.dtype)) {
  synchronize(ctx);
  ledger = {
      {"weights", weights.bytes},
      {"activations", decoder.activation_bytes()},
      {"logits", decoder.logits_bytes()},
      {"batch inputs and block tables", inputs.bytes()},
      {"sampling", sampler.bytes()},
      {concat("KV cache (", scheduler.pages().num_pages(), " pages of ", kPageSize, " tokens)"),
       cache.bytes()}};
  if (const int64_t bytes = device.workspace_bytes()) {
    ledger.push_back({"matrix product workspace", bytes});
  }
  collected_at = Clock::now();
  stats.load_seconds = seconds_between(started_at, collected_at);
  stats.decode_steps_by_rows.resize(shape.max_num_seqs + 1);
}

// Lets waiting rows start and tells the device of them.
void Engine::Impl::start_rows() {
  const std::vector<SequencePtr> rows = scheduler.start_rows(issued.empty());
  if (rows.empty()) return;
  int64_t longest = 0;
  for (const SequencePtr& sequence : rows) {
    inputs.set_pages(sequence->slot, sequence->pages);
    sampler.admit(*sequence);
    longest = std::max<int64_t>(longest, sequence->prompt_len());
    stats.prompt_tokens += sequence->prompt_len();
  }
  stats.padded_positions += longest * static_cast<int64_t>(rows.size());
  ++stats.batches;
}

// Marks the prompt tokens that `batch` feeds, for rows that penalise repeating them.
void Engine::Impl::count_prompts(const ForwardBatch& batch, bool penalised) {
  if (!penalised) return;
  ops::count_prompt_tokens(ctx, sampler.tables(), batch.token_ids, batch.positions,
                           batch.token_slots, batch.num_tokens);
}

void Engine::Impl::issue_prompt_pass(const PromptPass& pass) {
  const Clock::time_point started = Clock::now();
  const ForwardBatch batch = inputs.prompt_pass(pass);
  std::vector<SequencePtr> rows;
  bool penalised = false;
  for (const PromptSegment& segment : pass) {
    stats.prefill_tokens += segment.count;
    stats.prefill_context_tokens += attended_tokens(segment);
    penalised |= penalises_prompt(*segment.sequence);
    if (segment.first + segment.count == segment.sequence->prompt_len()) {
      rows.push_back(segment.sequence);
      ++segment.sequence->num_issued;
    }
  }
  count_prompts(batch, penalised);
  ++stats.prefill_passes;
  stats.prompt_positions += batch.num_tokens;
  const TensorView logits = decoder.forward(batch, cache);
  if (!rows.empty()) sampler.sample(logits, batch.logits_slots);
  record_issued(false, std::move(rows), started);
}

void Engine::Impl::issue_decode_step(const std::vector<SequencePtr>& rows) {
  const Clock::time_point started = Clock::now();
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
    max_context_len = graph_context_len(max_context_len, shape.max_model_len);
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
  record_issued(replayed < static_cast<int>(rows.size()), rows, started);
}

// Notes a pass on its way; `rows` are in the order they were sampled in.
void Engine::Impl::record_issued(bool decode, std::vector<SequencePtr> rows,
                                 Clock::time_point started) {
  const Sampler::Result result = sampler.fetch(static_cast<int64_t>(rows.size()));
  issued.push_back({decode, std::move(rows), result, started});
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
  pass.result.done->wait();
  const Clock::time_point now = Clock::now();
  (pass.decode ? stats.decode_seconds : stats.prefill_seconds) +=
      seconds_between(std::max(pass.started, collected_at), now);
  collected_at = now;
  for (size_t i = 0; i < pass.rows.size(); ++i) {
    if (!pass.rows[i]->ended) {
      take_token(*pass.rows[i], pass.result.token_ids[i], pass.result.logprobs[i]);
    }
  }
}

void Engine::Impl::take_token(Sequence& sequence, int32_t token_id, float logprob) {
  if (token_id == kTokenNone) return;
  TokenOutput output{.row = sequence.request.row, .token_id = token_id, .logprob = logprob};
  if (token_id == kTokenNonFinite) {
    output.finish = FinishReason::kError;
    output.error =
        RowError{"non_finite_logits", "the model's logits are not finite; try another --dtype"};
  } else {
    ++sequence.num_generated;
    ++stats.output_tokens;
    const int32_t* stops = sequence.params.stop_token_ids;
    const int32_t* stops_end = stops + sequence.params.num_stop_token_ids;
    if (std::find(stops, stops_end, token_id) != stops_end) {
      output.finish = FinishReason::kStop;
    } else if (sequence.num_generated == sequence.params.max_tokens) {
      output.finish = FinishReason::kLength;
    }
  }
  if (output.finish != FinishReason::kNone) scheduler.end(sequence);
  outputs.push_back(std::move(output));
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
  const auto prompt_len = static_cast<int64_t>(request.prompt.size());
  if (prompt_len == 0) return RowError{"empty_prompt", "the prompt has no tokens"};
  if (prompt_len > impl_->shape.max_model_len) {
    return RowError{"prompt_too_long",
                    concat("the prompt has ", prompt_len, " tokens; at most ",
                           impl_->shape.max_model_len, " fit (--max-model-len)")};
  }
  for (const int32_t id : request.prompt) {
    if (id < 0 || id >= impl_->config.vocab_size) {
      return RowError{"token_out_of_range", concat("prompt token id ", id, " is not in [0, ",
                                                   impl_->config.vocab_size, ")")};
    }
  }
  if (auto error = eet::check(request.params, impl_->config)) return error;
  const int64_t max_tokens =
      std::min<int64_t>(request.params.max_tokens, impl_->shape.max_model_len - prompt_len + 1);
  const int64_t needed = PagePool::pages_for(prompt_len + max_tokens - 1);
  if (needed > impl_->scheduler.pages().num_pages()) {
    return RowError{"does_not_fit", concat("prompt and max_tokens need ", needed * kPageSize,
                                           " positions of KV cache; there are ",
                                           impl_->scheduler.pages().num_pages() * kPageSize,
                                           "; lower max_tokens or --max-num-seqs")};
  }
  return std::nullopt;
}

void Engine::add_request(Request request) {
  auto sequence = std::make_shared<Sequence>();
  const auto prompt_len = static_cast<int32_t>(request.prompt.size());
  // Past the last position there is nothing to generate: the row ends with "length" there.
  const int64_t room = impl_->shape.max_model_len - prompt_len + 1;
  request.params.max_tokens =
      static_cast<int32_t>(std::min<int64_t>(request.params.max_tokens, room));
  sequence->params =
      to_slot_params(request.params, impl_->config, prompt_len, impl_->options.seed, request.row);
  sequence->request = std::move(request);
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

void Engine::stop(uint64_t row) {
  if (const SequencePtr sequence = impl_->scheduler.find(row)) impl_->scheduler.end(*sequence);
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

}  // namespace eet
