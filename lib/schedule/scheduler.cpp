#include "lib/schedule/scheduler.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <unordered_set>
#include <utility>

#include "lib/sampling/sampling_params.h"

namespace eet {
namespace {

// The pages that entries [first, end) of a block table name, by falling last entry.
std::vector<SequencePages::Held> held_pages(const std::vector<int32_t>& table, int64_t first) {
  std::vector<SequencePages::Held> held;
  std::unordered_set<int32_t> seen;
  for (auto entry = static_cast<int64_t>(table.size()); entry-- > first;) {
    const int32_t page = table[static_cast<size_t>(entry)];
    if (seen.insert(page).second) held.push_back({page, static_cast<int32_t>(entry)});
  }
  return held;
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, int64_t num_slabs)
    : options_(options),
      share_prompts_(!replays_prompts(options.prompt_policy)),
      share_prefixes_(options.share_prefixes && options.prompt_policy == PromptPolicy::kPacked),
      rules_(options.page_groups, options.max_batched_tokens, share_prompts_),
      pages_(options.page_groups, num_slabs),
      readers_(options.page_groups.end_of_page_numbers(0, num_slabs)),
      planner_(options.schedule == Schedule::kStatic ? BatchPlanner::Order::kByPrompt
                                                     : BatchPlanner::Order::kByOutput,
               options.sort_window, rules_) {
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

// Gives a starting sequence its slot and pages. It shares the first extent.shared_tokens tokens of
// its prompt, which are in the pages of `source`: whole pages are its own too, and of the next it
// has a copy to make.
void Scheduler::place(Sequence& sequence, const SampleExtent& extent,
                      const std::vector<SequencePages>* source) {
  sequence.slot = free_slots_.back();
  free_slots_.pop_back();
  for (size_t group = 0; group < rules_.groups().size(); ++group) {
    const PageRule& rule = rules_.groups()[group];
    const PageNeeds needs = page_needs(rule, extent);
    SequencePages pages{.all_positions = rule.window == 0};
    std::vector<int32_t>& table = pages.table;
    if (extent.shared_tokens > 0) {
      const std::vector<int32_t>& other = (*source)[group].table;
      table.assign(other.begin(), other.begin() + needs.prefix);
      pages_.share(group, std::span(table).subspan(static_cast<size_t>(needs.first)));
      const bool copies = extent.shared_tokens % kPageSize != 0;
      if (copies) pages.copied_page = other[static_cast<size_t>(needs.prefix)];
    }
    const auto take = [&](int64_t count) {
      const std::vector<int32_t> taken = pages_.take(group, count);
      table.insert(table.end(), taken.begin(), taken.end());
    };
    // Goes on with the last `count` pages in turn.
    const auto repeat = [&](int64_t count, int64_t end) {
      while (static_cast<int64_t>(table.size()) < end) table.push_back(*(table.end() - count));
    };
    take(needs.num_common);
    repeat(needs.num_common, needs.common);
    take(needs.num_own);
    repeat(needs.num_own, needs.prompt_end);
    repeat(rule.ring, needs.total);
    pages.held = held_pages(table, needs.first);
    sequence.pages.push_back(std::move(pages));
  }
}

// Places the rows that feed prompts, each as the plan says, and behind each its followers, which
// share the whole prompt.
void Scheduler::place_rows(const std::vector<SequencePtr>& fed, const PromptPlan& plan) {
  for (size_t i = 0; i < fed.size(); ++i) {
    Sequence& row = *fed[i];
    const int32_t source = plan.sources[i];
    SampleExtent extent = extent_of(row);
    extent.has_followers = !row.followers.empty();
    place(row, extent, source >= 0 ? &fed[static_cast<size_t>(source)]->pages : &kept_);
    for (const SequencePtr& follower : row.followers) {
      follower->position = row.position;
      place(*follower, follower_of(extent), &row.pages);
    }
  }
}

// Keeps the prompt of a row that lends it, or none, instead of the one kept so far.
void Scheduler::keep_prompt(const Sequence& sequence) {
  std::vector<SequencePages> kept;
  std::vector<int64_t> first;
  for (size_t group = 0; sequence.lends && group < rules_.groups().size(); ++group) {
    const PageNeeds needs = page_needs(rules_.groups()[group], extent_of(sequence));
    const std::vector<int32_t>& table = sequence.pages[group].table;
    kept.push_back({.table = {table.begin(), table.begin() + needs.prompt_end}});
    first.push_back(needs.first_intact());
    pages_.share(group, std::span(kept.back().table).subspan(static_cast<size_t>(first.back())));
  }
  keep_no_more_than(0);
  kept_ = std::move(kept);
  kept_first_ = std::move(first);
}

// Keeps what a row needs that shares so many tokens.
void Scheduler::keep_no_more_than(int32_t shared_tokens) {
  for (size_t group = 0; group < kept_.size(); ++group) {
    std::vector<int32_t>& table = kept_[group].table;
    int64_t& first = kept_first_[group];
    const auto old_end = static_cast<int64_t>(table.size());
    const int64_t end = std::max(first, std::min(old_end, PagePool::pages_for(shared_tokens)));
    const int64_t begin =
        std::clamp(rules_.groups()[group].first_visible(shared_tokens), first, end);
    const std::span<const int32_t> all(table);
    pages_.give_back(group, all.subspan(static_cast<size_t>(end)));
    pages_.give_back(group,
                     all.subspan(static_cast<size_t>(first), static_cast<size_t>(begin - first)));
    table.resize(static_cast<size_t>(end));
    first = begin;
  }
  if (shared_tokens > 0) return;
  kept_.clear();
  kept_first_.clear();
}

bool Scheduler::kept_hold(int32_t shared_tokens) const {
  return shared_tokens == 0 || (!kept_.empty() && planner_.can_share(shared_tokens, kept_first_));
}

// The rows that could start now, once nothing is kept that the first of them does not share.
BatchPlanner::Group Scheduler::next_group() {
  const SequencePtr first = free_slots_.empty() ? nullptr : planner_.first();
  if (first == nullptr) return {};
  // To copy a page, or to keep what a window has left for the row before, takes pages that the row
  // would not need without sharing: where it cannot start so, it shares less.
  const int32_t shared = first->shared_tokens;
  BatchPlanner::Group group;
  for (const int32_t tokens : {shared, shared - shared % kPageSize, 0}) {
    first->shared_tokens = kept_hold(tokens) ? tokens : 0;
    keep_no_more_than(first->shared_tokens);
    group = planner_.next_group(free_slots_.size(), pages_, kept_first_);
    if (group.rows > 0 || !running_.empty()) break;
  }
  return group;
}

// Nothing reads pages that lie behind the window of a row's next token. The passes that do are
// before any later owner's in the stream.
void Scheduler::give_back_behind_windows() {
  if (!options_.page_groups.has_windows()) return;
  for (const SequencePtr& sequence : live_) {
    if (sequence->ended) continue;
    for (size_t group = 0; group < sequence->pages.size(); ++group) {
      const int64_t visible = rules_.groups()[group].first_visible(sequence->position);
      std::vector<SequencePages::Held>& held = sequence->pages[group].held;
      while (!held.empty() && held.back().last_entry < visible) {
        pages_.give_back(group, {&held.back().page, 1});
        held.pop_back();
      }
    }
  }
}

std::vector<SequencePtr> Scheduler::start_rows(bool device_idle) {
  if (!prompt_passes_.empty()) return {};
  give_back_behind_windows();
  drop_finished_rows();
  const bool may_start = filling_ || (live_.empty() && device_idle);
  if (options_.schedule == Schedule::kStatic && !may_start) return {};
  const BatchPlanner::Group group = next_group();
  filling_ = options_.page_groups.has_windows() && group.rows > 0 && group.lacks_pages;
  if (group.rows == 0 || !worth_starting(group)) return {};

  const std::vector<SequencePtr> leaders = planner_.take(group);
  std::vector<SequencePtr> rows = with_samples(leaders);
  const std::vector<SequencePtr>& fed = share_prompts_ ? leaders : rows;
  PromptPlan plan = plan_prompts(fed, options_.prompt_policy, options_.max_batched_tokens);
  for (size_t i = 0; i < fed.size(); ++i) fed[i]->position = plan.last_fed[i] + 1;
  place_rows(fed, plan);
  for (const SequencePtr& sequence : rows) {
    running_.emplace(Key(sequence->request.row, sequence->sample), sequence);
  }
  if (share_prefixes_) keep_prompt(*leaders.back());
  prompt_passes_.assign(std::make_move_iterator(plan.passes.begin()),
                        std::make_move_iterator(plan.passes.end()));
  for (const SequencePtr& sequence : rows) readers_.add(sequence->prompt_pages());
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
  filling_ = false;
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
  for (size_t group = 0; group < sequence.pages.size(); ++group) {
    for (const SequencePages::Held& held : std::exchange(sequence.pages[group].held, {})) {
      pages_.give_back(group, {&held.page, 1});
    }
  }
  free_slots_.push_back(sequence.slot);
  running_.erase(Key(sequence.request.row, sequence.sample));
  if (running_.empty() && num_waiting() == 0) {
    keep_no_more_than(0);
    planner_.forget_last();
  }
}

}  // namespace eet
