#include "app/forecast/calibration.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "app/job/output/completion.h"
#include "app/job/stopwatch.h"

namespace eet {
namespace {

constexpr double kMainRunSeconds = 10;
constexpr int32_t kProbeTokens = 16;

struct RunningRow {
  CompletionBuilder builder;
  bool may_stop;
};

// Runs rows as a job does, and takes down how long each pass took.
class Runner {
 public:
  Runner(Engine& engine, const Tokenizer* tokenizer, const OutputFormat& format)
      : engine_(engine), tokenizer_(tokenizer), format_(format) {}

  // Every sample of a row gets `max_tokens` at most. Only what is measured is taken down.
  void run(std::span<const InputRow> rows, int32_t max_tokens, bool measured) {
    for (InputRow row : rows) {
      row.row = next_row_++;
      add(std::move(row), max_tokens);
    }
    const EngineStats before = engine_.stats();
    const Stopwatch watch;
    while (engine_.has_work()) step(measured);
    running_.clear();
    issued_.clear();
    if (!measured) return;
    const EngineStats& after = engine_.stats();
    host_seconds_ += watch.seconds() - (after.prefill_seconds - before.prefill_seconds) -
                     (after.decode_seconds - before.decode_seconds);
    output_tokens_ += static_cast<double>(after.output_tokens - before.output_tokens);
  }

  // Of the passes measured last.
  double seconds_per_step() const { return decode_.empty() ? 0.0 : decode_.back().seconds; }

  Calibration result() const {
    return {.prefill = PassCosts(prefill_),
            .decode = without_outliers(decode_),
            .lengths = lengths(),
            .host_seconds_per_token =
                output_tokens_ > 0 ? std::max(0.0, host_seconds_ / output_tokens_) : 0.0};
  }

 private:
  void add(InputRow row, int32_t max_tokens) {
    row.params.max_tokens = std::min(row.params.max_tokens, max_tokens);
    row.params.min_tokens = std::min(row.params.min_tokens, row.params.max_tokens);
    Request request{.row = row.row,
                    .prompt = row.prompt_ids,
                    .params = row.params,
                    .top_logprobs = row.top_logprobs};
    if (engine_.check(request)) return;
    const bool may_stop = !row.params.ignore_eos || !row.stop.empty();
    running_.try_emplace(request.row,
                         RunningRow{CompletionBuilder(std::move(row), tokenizer_), may_stop});
    engine_.add_request(std::move(request));
  }

  void step(bool measured) {
    const EngineStats before = engine_.stats();
    std::vector<std::pair<uint64_t, int32_t>> stopped;
    for (const TokenOutput& output : engine_.step()) take(output, measured, stopped);
    for (const auto& [row, sample] : stopped) engine_.stop(row, sample);
    if (measured) take_down(before, engine_.stats());
  }

  void take(const TokenOutput& output, bool measured,
            std::vector<std::pair<uint64_t, int32_t>>& stopped) {
    const auto found = running_.find(output.row);
    if (found == running_.end()) return;
    RunningRow& row = found->second;
    if (row.builder.push(output)) return;
    if (output.finish == FinishReason::kNone) stopped.emplace_back(output.row, output.sample);
    if (!row.builder.ended()) return;
    const Completion completion = row.builder.take();
    format_row(completion, format_);
    if (measured && row.may_stop && !completion.error) take_length(completion);
    running_.erase(found);
  }

  void take_length(const Completion& completion) {
    const auto take_choice = [&](const Choice& choice) {
      const auto tokens = static_cast<int32_t>(choice.token_ids.size());
      const bool ended = choice.finish == FinishReason::kStop;
      tokens_seen_ += tokens;
      ends_seen_ += ended ? 1 : 0;
      (ended ? ended_ : cut_).push_back(tokens);
    };
    take_choice(completion);
    for (const Choice& choice : completion.other_choices) take_choice(choice);
  }

  // Rows that max_tokens or this run cut would have ended as often, token for token, as the others.
  OutputLengths lengths() const {
    OutputLengths lengths{ended_};
    constexpr double kLong = 1 << 30;
    for (const int32_t tokens : cut_) {
      const double more = ends_seen_ > 0 ? tokens_seen_ / ends_seen_ : kLong;
      lengths.seen_tokens.push_back(static_cast<int32_t>(std::min(tokens + more, kLong)));
    }
    return lengths;
  }

  // A pass is issued in one step and, on a GPU, known to have ended in a later one.
  void take_down(const EngineStats& before, const EngineStats& after) {
    if (after.prefill_passes > before.prefill_passes) {
      issued_.push_back(
          {static_cast<double>(after.prompt_positions - before.prompt_positions),
           static_cast<double>(after.prefill_context_tokens - before.prefill_context_tokens)});
    }
    if (after.decode_steps > before.decode_steps) {
      issued_.push_back(
          {static_cast<double>(after.decode_row_steps - before.decode_row_steps),
           static_cast<double>(after.decode_context_tokens - before.decode_context_tokens)});
    }
    const double prefill_seconds = after.prefill_seconds - before.prefill_seconds;
    const double decode_seconds = after.decode_seconds - before.decode_seconds;
    if (issued_.empty() || prefill_seconds + decode_seconds <= 0) return;
    (decode_seconds > 0 ? decode_ : prefill_)
        .push_back({issued_.front(), prefill_seconds + decode_seconds});
    issued_.pop_front();
  }

  // The first step of a shape on a GPU also captures a graph, and other programs get in the way.
  static PassCosts without_outliers(const std::vector<TimedPass>& passes) {
    constexpr double kFactor = 2;
    const PassCosts first(passes);
    std::vector<TimedPass> usual;
    for (const TimedPass& pass : passes) {
      if (pass.seconds <= kFactor * first.seconds(pass.load)) usual.push_back(pass);
    }
    return PassCosts(usual);
  }

  Engine& engine_;
  const Tokenizer* tokenizer_;
  const OutputFormat& format_;
  uint64_t next_row_ = 0;
  std::unordered_map<uint64_t, RunningRow> running_;
  std::deque<PassLoad> issued_;  // oldest first
  std::vector<TimedPass> prefill_;
  std::vector<TimedPass> decode_;
  std::vector<int32_t> ended_;  // tokens of samples that ended by themselves
  std::vector<int32_t> cut_;    // and of those that were cut
  double tokens_seen_ = 0;
  double ends_seen_ = 0;
  double host_seconds_ = 0;
  double output_tokens_ = 0;
};

}  // namespace

Calibration calibrate(Engine& engine, const Tokenizer* tokenizer, std::span<const InputRow> sample,
                      const OutputFormat& format) {
  Runner runner(engine, tokenizer, format);
  const auto slots = static_cast<size_t>(engine.max_num_seqs());
  const auto batch = sample.first(std::min(sample.size(), slots));
  // Smaller batches tell what a step costs whatever its rows, which jobs end with.
  for (const size_t share : {16, 4, 1}) {
    const auto rows = batch.first((batch.size() + share - 1) / share);
    runner.run(rows, kProbeTokens, /*measured=*/false);
    runner.run(rows, kProbeTokens, /*measured=*/true);
  }
  const double rounds = std::ceil(static_cast<double>(sample.size()) / static_cast<double>(slots));
  const double steps = kMainRunSeconds / rounds / std::max(1e-5, runner.seconds_per_step());
  runner.run(sample, static_cast<int32_t>(std::clamp(steps, double{kProbeTokens}, 1e6)),
             /*measured=*/true);
  return runner.result();
}

}  // namespace eet
