#include "lib/schedule/scheduler.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "lib/sampling/sampling_params.h"

namespace eet {

Scheduler::Scheduler(const SchedulerOptions& options, int64_t num_pages)
    : options_(options),
      share_prompts_(!replays_prompts(options.prompt_policy)),
      ring_pages_(ring_pages(options.kv_window)),
      pages_(num_pages),
      planner_(options.schedule == Schedule::kStatic ? BatchPlanner::Order::kByPrompt
                                                     : BatchPlanner::Order::kByOutput,
               options.sort_window, share_prompts_, ring_pages_) {
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
         group.samples * kShareOfRows >= live_.size() + group.samples ||
         group.prompt_tokens * kShareOfPass >= options_.max_batched_tokens;
}

// All samples of `rows`, which are their first ones.
std::vector<SequencePtr> Scheduler::with_samples(const std::vector<SequencePtr>& rows) const {
  std::vector<SequencePtr> samples;
  for (const SequencePtr& leader : rows) {
    std::vector<SequencePtr> others;
    for (int32_t sample = 1; sample < leader->num_samples(); ++sample) {
      others.push_back(std::make_shared<Sequence>(*leader));
      others.back()->sample = sample;
      others.back()->params.stream = sample_stream(leader->params.stream, sample);
      others.back()->follows = share_prompts_;
    }
    samples.push_back(leader);
    samples.insert(samples.end(), others.begin(), others.end());
    if (share_prompts_) leader->followers = std::move(others);
  }
  return samples;
}

// Gives a starting sequence its slot and pages. A follower shares the pages that the prompt of its
// leader, who has them already, fills. Behind the pages held the block table goes on with those
// that the window has left by then.
void Scheduler::place(Sequence& sequence, const Sequence& leader) {
  sequence.slot = free_slots_.back();
  free_slots_.pop_back();
  const PageNeeds needs = page_needs(sequence.num_samples(), sequence.prompt_len(),
                                     sequence.max_positions(), share_prompts_, ring_pages_);
  if (sequence.follows) {
    sequence.held.assign(leader.pages.begin(), leader.pages.begin() + needs.shared);
    pages_.share(sequence.held);
    sequence.position = leader.position;
  }
  const auto num_held = static_cast<int64_t>(sequence.held.size());
  const std::vector<int32_t> own = pages_.take(needs.shared + needs.own - num_held);
  sequence.held.insert(sequence.held.end(), own.begin(), own.end());
  sequence.pages = sequence.held;
  while (static_cast<int64_t>(sequence.pages.size()) < needs.total) {
    sequence.pages.push_back(*(sequence.pages.end() - ring_pages_));
  }
}

// Once a prompt has been fed, nothing reads those of its pages that lie behind the window of the
// token after it. The passes that do are before any later owner's in the stream.
void Scheduler::give_back_behind_windows() {
  for (const SequencePtr& sequence : std::exchange(prompts_under_way_, {})) {
    if (sequence->ended || ring_pages_ == 0 || sequence->position < sequence->prompt_len())
      continue;
    // The last pages of the ring are written again.
    const int64_t first_visible = sequence->prompt_len() - options_.kv_window + 1;
    const int64_t behind = std::min(first_visible / kPageSize,
                                    static_cast<int64_t>(sequence->held.size()) - ring_pages_);
    if (behind <= 0) continue;
    pages_.give_back(std::span(sequence->held).first(static_cast<size_t>(behind)));
    sequence->held.erase(sequence->held.begin(), sequence->held.begin() + behind);
  }
}

std::vector<SequencePtr> Scheduler::start_rows(bool device_idle) {
  if (!prompt_passes_.empty()) return {};
  give_back_behind_windows();
  drop_finished_rows();
  if (options_.schedule == Schedule::kStatic && !(live_.empty() && device_idle)) return {};
  const BatchPlanner::Group group = planner_.next_group(free_slots_.size(), pages_.num_free());
  if (group.rows == 0 || !worth_starting(group)) return {};

  const std::vector<SequencePtr> leaders = planner_.take(group.rows);
  std::vector<SequencePtr> rows = with_samples(leaders);
  const std::vector<SequencePtr>& fed = share_prompts_ ? leaders : rows;
  PromptPlan plan = plan_prompts(fed, options_.prompt_policy, options_.max_batched_tokens);
  for (size_t i = 0; i < fed.size(); ++i) fed[i]->position = plan.last_fed[i] + 1;
  const Sequence* leader = nullptr;
  for (const SequencePtr& sequence : rows) {
    if (!sequence->follows) leader = sequence.get();
    place(*sequence, *leader);
    running_.emplace(Key(sequence->request.row, sequence->sample), sequence);
  }
  prompt_passes_.assign(std::make_move_iterator(plan.passes.begin()),
                        std::make_move_iterator(plan.passes.end()));
  live_.insert(live_.end(), rows.begin(), rows.end());
  prompts_under_way_ = rows;
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

SequencePtr Scheduler::find(uint64_t row, int32_t sample) const {
  const auto found = running_.find(Key(row, sample));
  return found == running_.end() ? nullptr : found->second;
}

void Scheduler::end(Sequence& sequence) {
  sequence.ended = true;
  pages_.give_back(sequence.held);
  free_slots_.push_back(sequence.slot);
  running_.erase(Key(sequence.request.row, sequence.sample));
}

}  // namespace eet
