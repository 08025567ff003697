#include "lib/schedule/scheduler.h"

#include <algorithm>
#include <iterator>

namespace eet {

Scheduler::Scheduler(const SchedulerOptions& options, int64_t num_pages)
    : options_(options),
      pages_(num_pages),
      planner_(options.schedule == Schedule::kStatic ? BatchPlanner::Order::kByPrompt
                                                     : BatchPlanner::Order::kByOutput,
               options.sort_window) {
  for (auto slot = static_cast<int>(options.max_num_seqs); slot-- > 0;) free_slots_.push_back(slot);
}

void Scheduler::drop_finished_rows() {
  std::erase_if(live_, [](const SequencePtr& sequence) {
    return sequence->ended || sequence->num_issued >= sequence->params.max_tokens;
  });
}

bool Scheduler::worth_starting(const BatchPlanner::Group& group) const {
  constexpr size_t kShareOfRows = 16;
  constexpr int kShareOfPass = 8;
  return live_.empty() || group.rows == planner_.num_waiting() ||
         group.rows * kShareOfRows >= live_.size() + group.rows ||
         group.prompt_tokens * kShareOfPass >= options_.max_batched_tokens;
}

std::vector<SequencePtr> Scheduler::start_rows(bool device_idle) {
  if (!prompt_passes_.empty()) return {};
  drop_finished_rows();
  if (options_.schedule == Schedule::kStatic && !(live_.empty() && device_idle)) return {};
  const BatchPlanner::Group group = planner_.next_group(free_slots_.size(), pages_.num_free());
  if (group.rows == 0 || !worth_starting(group)) return {};

  std::vector<SequencePtr> rows = planner_.take(group.rows);
  PromptPlan plan = plan_prompts(rows, options_.prompt_policy, options_.max_batched_tokens);
  for (size_t i = 0; i < rows.size(); ++i) {
    Sequence& sequence = *rows[i];
    sequence.slot = free_slots_.back();
    free_slots_.pop_back();
    sequence.pages = pages_.take(PagePool::pages_for(sequence.max_positions()));
    sequence.position = plan.last_fed[i] + 1;
    running_.emplace(sequence.request.row, rows[i]);
  }
  prompt_passes_.assign(std::make_move_iterator(plan.passes.begin()),
                        std::make_move_iterator(plan.passes.end()));
  live_.insert(live_.end(), rows.begin(), rows.end());
  return rows;
}

std::optional<PromptPass> Scheduler::next_prompt_pass() {
  if (prompt_passes_.empty()) return std::nullopt;
  PromptPass pass = std::move(prompt_passes_.front());
  prompt_passes_.pop_front();
  return pass;
}

const std::vector<SequencePtr>& Scheduler::decode_rows() {
  static const std::vector<SequencePtr> kNone;
  if (!prompt_passes_.empty()) return kNone;
  drop_finished_rows();
  std::stable_partition(live_.begin(), live_.end(), [](const SequencePtr& sequence) {
    return sequence->position < sequence->prompt_len();
  });
  return live_;
}

SequencePtr Scheduler::find(uint64_t row) const {
  const auto found = running_.find(row);
  return found == running_.end() ? nullptr : found->second;
}

void Scheduler::end(Sequence& sequence) {
  sequence.ended = true;
  pages_.give_back(sequence.pages);
  sequence.pages.clear();
  free_slots_.push_back(sequence.slot);
  running_.erase(sequence.request.row);
}

}  // namespace eet
