#include "lib/engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lib/core/error.h"
#include "lib/device_fault.h"
#include "lib/request_check.h"
#include "lib/runner/runner.h"
#include "lib/schedule/scheduler.h"

namespace eet {
namespace {

SchedulerOptions scheduler_options(const EngineOptions& options, const EngineShape& shape) {
  const auto max_num_seqs = static_cast<size_t>(shape.max_num_seqs);
  return {.schedule = options.schedule,
          .prompt_policy = options.prompt_policy,
          .max_num_seqs = max_num_seqs,
          .max_batched_tokens = shape.max_batched_tokens,
          .sort_window = options.rows_sorted_together(max_num_seqs),
          .page_groups = shape.page_groups,
          .share_prefixes = options.share_prefixes,
          .short_context = shape.short_context};
}

TokenOutput non_finite(const Sequence& sequence) {
  return failed_output(
      sequence.request.row, sequence.sample,
      {"non_finite_logits", "the model's logits are not finite; try another --dtype"});
}

// Of the likeliest tokens of a pass, those that row `index` wants.
std::vector<TokenLogprob> top_of_row(const TopLogprobs::Result& top, size_t index,
                                     const Sequence& sequence) {
  std::vector<TokenLogprob> tokens;
  const int32_t wanted = std::min(top.count, sequence.request.top_logprobs);
  for (int32_t i = 0; i < wanted; ++i) {
    const size_t place = index * static_cast<size_t>(top.count) + static_cast<size_t>(i);
    tokens.push_back({top.ids[place], top.logprobs[place]});
  }
  return tokens;
}

}  // namespace

struct Engine::Impl {
  Impl(const ModelConfig& config, const TensorLoader& loader, const EngineOptions& opts)
      : options(opts),
        runner(config, loader, opts),
        scheduler(scheduler_options(opts, runner.shape()), runner.num_slabs()) {}

  std::optional<RowError> check_score_from(const Request& request) const;
  bool issue();
  void collect();
  void take_token(Sequence& sequence, int32_t token_id, float logprob,
                  std::vector<TokenLogprob> top);
  void take_scores(const ScoredTokens& tokens, const float* logprobs, const int32_t* is_argmax);
  void give_out(Sequence& sequence, TokenOutput output);
  void feed_anew();
  void stop(uint64_t row, int32_t sample);

  EngineOptions options;
  Runner runner;
  Scheduler scheduler;
  std::vector<TokenOutput> outputs;
  std::vector<SequencePtr> anew;  // samples to be fed anew, unless they are stopped before
};

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

// Issues one pass; false when there is nothing to issue before a result is known.
bool Engine::Impl::issue() {
  const std::vector<SequencePtr> rows = scheduler.start_rows(runner.num_under_way() == 0);
  if (!rows.empty()) {
    runner.start(rows);
    runner.stats().shared_tokens_by_level = scheduler.saved_tokens_by_level();
  }
  if (const std::optional<PromptPass> pass = scheduler.next_prompt_pass()) {
    runner.issue(*pass);
    return true;
  }
  const std::vector<SequencePtr>& running = scheduler.decode_rows();
  if (running.empty()) return false;
  runner.issue_decode_step(running, scheduler.repeated_tokens());
  return true;
}

// Waits for the oldest pass and hands out its tokens.
void Engine::Impl::collect() {
  const IssuedPass pass = runner.collect();
  for (size_t i = 0; i < pass.rows.size(); ++i) {
    if (!pass.rows[i]->ended) {
      take_token(*pass.rows[i], pass.result.token_ids[i], pass.result.logprobs[i],
                 top_of_row(pass.top, i, *pass.rows[i]));
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

void Engine::Impl::take_token(Sequence& sequence, int32_t token_id, float logprob,
                              std::vector<TokenLogprob> top) {
  if (token_id == kTokenNone) return;
  if (token_id == kTokenNonFinite) return give_out(sequence, non_finite(sequence));
  TokenOutput output{.row = sequence.request.row,
                     .sample = sequence.sample,
                     .token_id = token_id,
                     .logprob = logprob,
                     .top = std::move(top)};
  for (TokenLogprob& token : output.top) {  // to the last bit the same, whatever summed it up
    if (token.token_id == token_id) token.logprob = logprob;
  }
  ++sequence.num_generated;
  ++runner.stats().output_tokens;
  const int32_t* stops = sequence.params.stop_token_ids;
  const int32_t* stops_end = stops + sequence.params.num_stop_token_ids;
  if (sequence.tokens_beyond > 0) sequence.generated.push_back(token_id);
  if (std::find(stops, stops_end, token_id) != stops_end) {
    output.finish = FinishReason::kStop;
  } else if (sequence.num_generated == sequence.params.max_tokens) {
    if (sequence.tokens_beyond == 0) {
      output.finish = FinishReason::kLength;
    } else {
      anew.push_back(fed_anew(sequence));
      scheduler.end(sequence);
    }
  }
  give_out(sequence, std::move(output));
}

// The samples that left a longrope model's original context in the step before.
void Engine::Impl::feed_anew() {
  for (SequencePtr& sequence : std::exchange(anew, {})) scheduler.add_next(std::move(sequence));
}

void Engine::Impl::stop(uint64_t row, int32_t sample) {
  if (const SequencePtr sequence = scheduler.find(row, sample)) return scheduler.end(*sequence);
  if (runner.shape().short_context == 0) return;
  std::erase_if(anew, [&](const SequencePtr& sequence) {
    return sequence->request.row == row && sequence->sample == sample;
  });
  scheduler.remove(row, sample);
}

void Engine::Impl::take_scores(const ScoredTokens& tokens, const float* logprobs,
                               const int32_t* is_argmax) {
  Sequence& sequence = *tokens.sequence;
  const std::vector<int32_t>& prompt = sequence.request.prompt;
  for (int32_t i = 0; i < tokens.count && !sequence.ended; ++i) {
    if (!std::isfinite(logprobs[i])) return give_out(sequence, non_finite(sequence));
    const size_t index = static_cast<size_t>(tokens.first) + static_cast<size_t>(i);
    ++runner.stats().scored_tokens;
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

Engine::~Engine() = default;

std::optional<RowError> Engine::check(const Request& request) const {
  if (auto error = check_request(request, impl_->runner.config(), impl_->runner.shape()))
    return error;
  if (auto error = impl_->check_score_from(request)) return error;
  return check_pages(request, impl_->runner.shape(), impl_->options.prompt_policy,
                     impl_->scheduler.pages().num_slabs(), impl_->runner.num_slabs_alone());
}

void Engine::add_request(Request request) {
  auto sequence = std::make_shared<Sequence>();
  if (request.score_from) request.params = {};  // nothing is drawn
  request.params.max_tokens = tokens_that_fit(request, impl_->runner.shape());
  sequence->request = std::move(request);
  sequence->params =
      to_slot_params(sequence->request.params, impl_->runner.config(), sequence->prompt_len(),
                     impl_->options.seed, sequence->request.row);
  sequence->params.max_tokens =
      tokens_before_feeding_anew(sequence->request, impl_->runner.shape());
  sequence->tokens_beyond = sequence->request.params.max_tokens - sequence->params.max_tokens;
  impl_->scheduler.add(std::move(sequence));
}

size_t Engine::num_waiting() const {
  return impl_->scheduler.num_waiting();
}
size_t Engine::sort_window() const {
  return impl_->scheduler.sort_window();
}

bool Engine::has_work() const {
  return num_waiting() > 0 || impl_->scheduler.has_running() || !impl_->anew.empty() ||
         impl_->runner.num_under_way() > 0;
}

std::span<const TokenOutput> Engine::step() {
  impl_->outputs.clear();
  impl_->feed_anew();
  Runner& runner = impl_->runner;
  try {
    const bool progressing = impl_->issue();
    const bool full = runner.num_under_way() >= runner.max_under_way();
    if (runner.num_under_way() > 0 && (!progressing || full)) impl_->collect();
  } catch (const std::exception& error) {
    if (!says_device_fault(error)) throw;
    throw DeviceFault(
        concat(impl_->options.device, " (", device_name(), ") failed: ", error.what()));
  }
  return impl_->outputs;
}

void Engine::stop(uint64_t row, int32_t sample) {
  impl_->stop(row, sample);
}

const ModelConfig& Engine::config() const {
  return impl_->runner.config();
}
int64_t Engine::max_model_len() const {
  return impl_->runner.shape().max_model_len;
}
int Engine::max_num_seqs() const {
  return impl_->runner.shape().max_num_seqs;
}
DType Engine::dtype() const {
  return impl_->runner.shape().dtype;
}
std::vector<EngineReport> Engine::reports() const {
  return {{.name = impl_->options.device,
           .device = device_name(),
           .kind = device_kind(),
           .stats = stats(),
           .memory = memory(),
           .peak_device_bytes = peak_device_bytes()}};
}
EngineStats Engine::stats() const {
  return impl_->runner.stats();
}
const std::vector<MemoryItem>& Engine::memory() const {
  return impl_->runner.memory();
}

int64_t Engine::peak_device_bytes() const {
  return impl_->runner.peak_device_bytes();
}

std::string Engine::device_name() const {
  return impl_->runner.device_name();
}

std::string Engine::device_kind() const {
  return impl_->runner.device_kind();
}

}  // namespace eet
