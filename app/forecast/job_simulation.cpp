#include "app/forecast/job_simulation.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "app/job/input/prefix_survey.h"
#include "lib/engine_stats.h"
#include "lib/request_check.h"
#include "lib/schedule/scheduler.h"

namespace eet {
namespace {

constexpr int32_t kGenerated = -1;  // a token that no prompt has

class Simulation {
 public:
  Simulation(const std::vector<RowShape>& rows, const SchedulerOptions& options,
             const EngineShape& shape, int64_t num_slabs, const OutputLengths& lengths,
             const PassCosts& prefill, const PassCosts& decode, size_t first_row, size_t stride)
      : rows_(rows),
        shape_(shape),
        lengths_(lengths.seen_tokens),
        prefill_(prefill),
        decode_(decode),
        scheduler_(options, num_slabs),
        stride_(stride),
        next_row_(first_row) {}

  SimulatedJob run() {
    while (feed()) step();
    job_.shared_tokens_by_level = scheduler_.saved_tokens_by_level();
    return job_;
  }

 private:
  // As Job::feed(); false when nothing is left to do.
  bool feed() {
    while (next_row_ < rows_.size() && scheduler_.num_waiting() < scheduler_.sort_window()) {
      scheduler_.add(make_sequence(next_row_));
      next_row_ += stride_;
    }
    return scheduler_.num_waiting() > 0 || scheduler_.has_running() || !anew_.empty();
  }

  SequencePtr make_sequence(size_t row) const {
    auto sequence = std::make_shared<Sequence>();
    sequence->request.row = row;
    sequence->request.prompt = prompt_like(rows_, row);
    sequence->request.params.n = rows_[row].num_samples;
    sequence->request.params.max_tokens = rows_[row].max_tokens;
    sequence->params.max_tokens = tokens_before_feeding_anew(sequence->request, shape_);
    sequence->tokens_beyond = rows_[row].max_tokens - sequence->params.max_tokens;
    return sequence;
  }

  // One pass, as Engine::step().
  void step() {
    for (SequencePtr& sequence : std::exchange(anew_, {})) {
      scheduler_.add_next(std::move(sequence));
    }
    start_rows();
    if (const std::optional<PromptPass> pass = scheduler_.next_prompt_pass())
      return feed_prompts(*pass);
    decode(scheduler_.decode_rows());
  }

  void start_rows() {
    const std::vector<SequencePtr> started = scheduler_.start_rows(/*device_idle=*/true);
    if (started.empty()) return;
    ++job_.batches;
    int64_t longest = 0;
    int64_t shortest = started.front()->prompt_len();
    int64_t tokens = 0;
    int64_t prompts = 0;
    for (const SequencePtr& sequence : started) {
      if (sequence->num_carried == 0) left_[sequence.get()] = output_tokens(*sequence);
      if (sequence->follows) continue;
      ++prompts;
      tokens += sequence->prompt_len();
      job_.shared_tokens += sequence->shared_tokens;
      longest = std::max<int64_t>(longest, sequence->prompt_len());
      shortest = std::min<int64_t>(shortest, sequence->prompt_len());
    }
    job_.padded_pads += longest * prompts - tokens;
    job_.min_length_steps += longest - shortest;
    job_.serial_steps += longest;
  }

  int32_t output_tokens(const Sequence& sequence) {
    const RowShape& row = rows_[sequence.request.row];
    if (lengths_.empty() || !row.may_stop) return row.max_tokens;
    return std::min(row.max_tokens, lengths_[next_length_++ % lengths_.size()]);
  }

  void feed_prompts(const PromptPass& pass) {
    PassLoad load;
    std::vector<SequencePtr> sampled;
    for (const PromptSegment& segment : pass) {
      const double count = segment.count;
      load.rows += segment.columns();
      load.context_tokens += count * segment.first + count * (count + 1) / 2;
      job_.computed_pads += segment.pads;
      if (!segment.ends_prompt()) continue;
      sampled.push_back(segment.sequence);
      const auto& followers = segment.sequence->followers;
      sampled.insert(sampled.end(), followers.begin(), followers.end());
    }
    ++job_.prefill_passes;
    job_.seconds += prefill_.seconds(load);
    for (const SequencePtr& sequence : sampled) take_tokens(*sequence, 1);
  }

  // As many decode steps as there are until a row ends or begins to generate.
  void decode(const std::vector<SequencePtr>& rows) {
    int32_t steps = rows.empty() ? 0 : std::max(1, steps_until_change(*rows.front()));
    double context = 0;
    for (const SequencePtr& sequence : rows) {
      steps = std::min(steps, std::max(1, steps_until_change(*sequence)));
      context += sequence->position + 1;
    }
    const auto count = static_cast<double>(rows.size());
    const double mean_context = context + count * (steps - 1) / 2;
    job_.decode_steps += steps;
    job_.seconds += steps * decode_.seconds({count, mean_context});
    for (const SequencePtr& sequence : rows) {
      const bool replays = sequence->position + steps < sequence->prompt_len();
      sequence->position += steps;
      if (!replays) take_tokens(*sequence, steps);
    }
  }

  int32_t steps_until_change(const Sequence& sequence) const {
    const int32_t replays = sequence.prompt_len() - 1 - sequence.position;
    if (replays > 0) return replays;
    return std::min(left_.at(&sequence), sequence.params.max_tokens - sequence.num_issued);
  }

  void take_tokens(Sequence& sequence, int32_t count) {
    sequence.num_issued += count;
    job_.output_tokens += count;
    const int32_t left = left_.at(&sequence) -= count;
    if (left > 0 && sequence.num_issued < sequence.params.max_tokens) return;
    left_.erase(&sequence);
    if (left > 0) {
      sequence.num_generated = sequence.num_issued;
      sequence.generated.assign(static_cast<size_t>(sequence.num_issued), kGenerated);
      left_[anew_.emplace_back(fed_anew(sequence)).get()] = left;
    }
    scheduler_.end(sequence);
  }

  const std::vector<RowShape>& rows_;
  const EngineShape& shape_;
  const std::vector<int32_t>& lengths_;
  const PassCosts& prefill_;
  const PassCosts& decode_;
  Scheduler scheduler_;
  size_t stride_;
  size_t next_row_;
  size_t next_length_ = 0;
  std::unordered_map<const Sequence*, int32_t> left_;  // tokens that running samples will get
  std::vector<SequencePtr> anew_;                      // samples to be fed anew
  SimulatedJob job_;
};

void add_engine(SimulatedJob& job, const SimulatedJob& engine) {
  job.batches += engine.batches;
  job.padded_pads += engine.padded_pads;
  job.min_length_steps += engine.min_length_steps;
  job.serial_steps += engine.serial_steps;
  job.computed_pads += engine.computed_pads;
  job.prefill_passes += engine.prefill_passes;
  job.decode_steps += engine.decode_steps;
  job.output_tokens += engine.output_tokens;
  job.shared_tokens += engine.shared_tokens;
  add_counts(job.shared_tokens_by_level, engine.shared_tokens_by_level);
  job.seconds = std::max(job.seconds, engine.seconds);
}

}  // namespace

SimulatedJob simulate_job(const std::vector<RowShape>& rows, const EngineOptions& options,
                          const EngineShape& shape, int64_t num_slabs, const OutputLengths& lengths,
                          const PassCosts& prefill, const PassCosts& decode, size_t num_engines) {
  const auto max_num_seqs = static_cast<size_t>(shape.max_num_seqs);
  const SchedulerOptions scheduler_options = {
      .schedule = options.schedule,
      .prompt_policy = options.prompt_policy,
      .max_num_seqs = max_num_seqs,
      .max_batched_tokens = shape.max_batched_tokens,
      .sort_window = options.rows_sorted_together(max_num_seqs),
      .page_groups = shape.page_groups,
      .share_prefixes = options.share_prefixes,
      .short_context = shape.short_context};
  SimulatedJob job;
  for (size_t engine = 0; engine < num_engines; ++engine) {
    add_engine(job, Simulation(rows, scheduler_options, shape, num_slabs, lengths, prefill, decode,
                               engine, num_engines)
                        .run());
  }
  return job;
}

}  // namespace eet
