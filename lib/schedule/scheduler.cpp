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
      share_prefixes_(options.share_prefixes && options.prompt_policy == PromptPolicy::kPacked &&
                      options.kv_window == 0),
      ring_pages_(ring_pages(options.kv_window)),
      pages_(num_pages),
      readers_(num_pages),
      planner_(options.schedule == Schedule::kStatic ? BatchPlanner::Order::kByPrompt
                                                     : BatchPlanner::Order::kByOutput,
               options.sort_window, share_prompts_, ring_pages_) {
  for (auto slot = static_cast<int>(options.max_num_seqs); slot-- > 0;) free_slots_.push_back(slot);
  if (share_prefixes_) {
    planner_.share_prefixes({.max_num_seqs = options.max_num_seqs,
                             .outputs_matter = options.schedule == Schedule::kRefill,
                             .short_context = options.short_context});
  }
}

void Scheduler::drop_finished_rows() {
  std::erase_if(live_, [&](const SequencePtr& sequence) {
    const bool finished = sequence->ended || sequence->num_issued >= sequence->params.max_tokens;
    if (finished) readers_.remove(sequence->prompt_pages());
    return finished;
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

// Gives a starting sequence its slot and pages. It shares the first `num_shared` tokens of its
// prompt, which are in `shared_pages`: whole pages are its own too, and of the next it has a copy
// to make. Behind the pages held the block table goes on with those that the window has left by
// then.
void Scheduler::place(Sequence& sequence, int64_t num_shared,
                      std::span<const int32_t> shared_pages) {
  sequence.slot = free_slots_.back();
  free_slots_.pop_back();
  const int64_t num_whole = num_shared / kPageSize;
  const std::span<const int32_t> whole = shared_pages.first(static_cast<size_t>(num_whole));
  sequence.held.assign(whole.begin(), whole.end());
  pages_.share(whole);
  sequence.copied_page = num_shared % kPageSize != 0 ? shared_pages[whole.size()] : -1;
  const PageNeeds needs =
      page_needs(sequence.num_samples(), sequence.prompt_len(), sequence.max_positions(),
                 share_prompts_, ring_pages_, sequence.shared_tokens / kPageSize);
  const std::vector<int32_t> own = pages_.take(needs.shared + needs.own - num_whole);
  sequence.held.insert(sequence.held.end(), own.begin(), own.end());
  sequence.pages = sequence.held;
  while (static_cast<int64_t>(sequence.pages.size()) < needs.total) {
    sequence.pages.push_back(*(sequence.pages.end() - ring_pages_));
  }
}

// Places the rows that feed prompts, each as the plan says, and behind each its followers, which
// share the whole prompt.
void Scheduler::place_rows(const std::vector<SequencePtr>& fed, const PromptPlan& plan) {
  for (size_t i = 0; i < fed.size(); ++i) {
    Sequence& row = *fed[i];
    const int32_t source = plan.sources[i];
    place(row, row.shared_tokens,
          source >= 0 ? fed[static_cast<size_t>(source)]->pages : kept_pages_);
    for (const SequencePtr& follower : row.followers) {
      follower->position = row.position;
      place(*follower, row.prompt_len(), row.pages);
    }
  }
}

// Keeps the pages instead of those kept so far.
void Scheduler::keep_pages(std::vector<int32_t> pages) {
  pages_.share(pages);
  pages_.give_back(kept_pages_);
  kept_pages_ = std::move(pages);
}

void Scheduler::keep_no_more_than(int64_t num_pages) {
  const auto count = static_cast<size_t>(num_pages);
  if (kept_pages_.size() <= count) return;
  pages_.give_back(std::span(kept_pages_).subspan(count));
  kept_pages_.resize(count);
}

// The rows that could start now, once nothing is kept that the first of them does not share.
BatchPlanner::Group Scheduler::next_group() {
  const SequencePtr first = free_slots_.empty() ? nullptr : planner_.first();
  if (first == nullptr) return {};
  keep_no_more_than(PagePool::pages_for(first->shared_tokens));
  BatchPlanner::Group group = planner_.next_group(free_slots_.size(), pages_.num_free());
  // The page that it would copy is one more than it needs without sharing.
  const bool copies = first->shared_tokens % kPageSize != 0;
  if (group.rows == 0 && running_.empty() && copies) {
    first->shared_tokens -= first->shared_tokens % kPageSize;
    keep_no_more_than(first->shared_tokens / kPageSize);
    group = planner_.next_group(free_slots_.size(), pages_.num_free());
  }
  return group;
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
  const BatchPlanner::Group group = next_group();
  if (group.rows == 0 || !worth_starting(group)) return {};

  const std::vector<SequencePtr> leaders = planner_.take(group.rows);
  std::vector<SequencePtr> rows = with_samples(leaders);
  const std::vector<SequencePtr>& fed = share_prompts_ ? leaders : rows;
  PromptPlan plan = plan_prompts(fed, options_.prompt_policy, options_.max_batched_tokens);
  for (size_t i = 0; i < fed.size(); ++i) fed[i]->position = plan.last_fed[i] + 1;
  place_rows(fed, plan);
  for (const SequencePtr& sequence : rows) {
    running_.emplace(Key(sequence->request.row, sequence->sample), sequence);
  }
  if (share_prefixes_) {
    const Sequence& last = *leaders.back();
    const auto prompt_pages = PagePool::pages_for(last.prompt_len());
    keep_pages({last.pages.begin(), last.pages.begin() + prompt_pages});
  }
  prompt_passes_.assign(std::make_move_iterator(plan.passes.begin()),
                        std::make_move_iterator(plan.passes.end()));
  for (const SequencePtr& sequence : rows) readers_.add(sequence->prompt_pages());
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
  if (running_.empty() && num_waiting() == 0) {
    keep_no_more_than(0);
    planner_.forget_last();
  }
}

}  // namespace eet
