// A job without an engine or a device: the scheduler starts rows and issues passes, and pages hold
// what the rows that read them expect.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "lib/schedule/scheduler.h"

namespace eet::test {

// Plays the device: writes what passes write, and checks that they read what their row expects.
class PageDevice {
 public:
  // Rows of other kinds (short_context) have other keys for the same tokens.
  explicit PageDevice(const SchedulerOptions& options)
      : groups_(options.page_groups.groups),
        short_context_(options.short_context > 0 ? options.short_context : INT64_MAX) {}

  void run(const PromptPass& pass) {
    for (const PromptSegment& segment : pass) {
      if (segment.continues_prefix()) copy_pages(*segment.sequence, segment.first);
    }
    for (const PromptSegment& segment : pass) {
      write(*segment.sequence, segment.first, segment.end());
    }
    for (const PromptSegment& segment : pass) {
      if (segment.count > 0) read(*segment.sequence, segment.first, segment.end());
      if (!segment.ends_prompt()) continue;
      for (const SequencePtr& follower : segment.sequence->followers) {
        copy_pages(*follower, follower->prompt_len());
      }
    }
  }

  void step(const Sequence& sequence) {
    write(sequence, sequence.position, sequence.position + 1);
    read(sequence, sequence.position, sequence.position + 1);
  }

 private:
  using Page = std::vector<uint64_t>;

  // What a token's keys and values depend on: all tokens up to it.
  static uint64_t mix(uint64_t before, uint64_t token) {
    return (before ^ (token + 0x9E3779B97F4A7C15U)) * 0xD1342543DE82EF95U + 1;
  }

  Page& page_of(const Sequence& sequence, size_t group, int64_t position) {
    const std::vector<int32_t>& table = sequence.pages[group].table;
    return pages_[{group, table[static_cast<size_t>(position / kPageSize)]}];
  }

  void copy_pages(const Sequence& sequence, int32_t shared) {
    for (size_t group = 0; group < groups_.size(); ++group) {
      const int32_t copied = sequence.pages[group].copied_page;
      if (copied >= 0) page_of(sequence, group, shared) = pages_[{group, copied}];
    }
  }

  // Expected content, position by position.
  const std::vector<uint64_t>& expected(const Sequence& sequence) {
    const Request& request = sequence.request;
    std::vector<uint64_t>& row = expected_[{request.row, sequence.sample}];
    if (!row.empty()) return row;
    uint64_t all = static_cast<int64_t>(request.prompt.size()) > short_context_ ? 1 : 0;
    for (int64_t p = 0; p < sequence.max_positions(); ++p) {
      const uint64_t generated = (request.row + 1) * 1000 + static_cast<uint64_t>(sequence.sample);
      all = mix(all, p < sequence.prompt_len()
                         ? static_cast<uint64_t>(request.prompt[static_cast<size_t>(p)])
                         : generated);
      row.push_back(all);
    }
    return row;
  }

  void write(const Sequence& sequence, int32_t begin, int32_t end) {
    const std::vector<uint64_t>& row = expected(sequence);
    for (size_t group = 0; group < groups_.size(); ++group) {
      int64_t next = 0;
      for (int64_t p = begin; p < end; p = next) {  // page by page
        next = std::min<int64_t>(end, (p / kPageSize + 1) * kPageSize);
        Page& page = page_of(sequence, group, p);
        page.resize(kPageSize);
        std::copy(row.begin() + p, row.begin() + next, page.begin() + p % kPageSize);
      }
    }
  }

  // What the tokens at positions [begin, end) see; of long contexts that are read again for every
  // token some times only.
  void read(const Sequence& sequence, int32_t begin, int32_t end) {
    for (size_t group = 0; group < groups_.size(); ++group) {
      const int64_t window = groups_[group].window;
      constexpr int32_t kStepsUnread = 32;
      if (window == 0 && end - begin == 1 && begin % kStepsUnread != 0) continue;
      const std::vector<uint64_t>& row = expected(sequence);
      bool intact = true;
      int64_t next = 0;
      for (int64_t p = window == 0 ? 0 : std::max<int64_t>(0, begin - window + 1); p < end;
           p = next) {  // page by page
        next = std::min<int64_t>(end, (p / kPageSize + 1) * kPageSize);
        const Page& page = page_of(sequence, group, p);
        intact &= !page.empty() &&
                  std::equal(row.begin() + p, row.begin() + next, page.begin() + p % kPageSize);
      }
      CAPTURE(group);
      CAPTURE(sequence.request.row);
      CAPTURE(begin);
      CAPTURE(end);
      CHECK(intact);
    }
  }

  std::vector<PageGroup> groups_;
  int64_t short_context_;
  std::map<std::pair<size_t, int32_t>, Page> pages_;  // by group and number
  std::map<std::pair<uint64_t, int32_t>, std::vector<uint64_t>> expected_;
};

struct JobOutcome {
  int64_t computed = 0;  // prompt tokens that passes fed
  int64_t shared = 0;    // prompt tokens that they did not
  int64_t most_rows = 0;
  int64_t most_slabs = 0;      // that were in use at once
  int64_t slabs_at_steps = 0;  // likewise, while tokens were generated
  int64_t decode_steps = 0;
};

// A job: rows are added as far ahead as the engine is fed.
class ScheduledJob {
 public:
  ScheduledJob(const SchedulerOptions& options, int64_t num_slabs)
      : scheduler_(options, num_slabs), num_slabs_(num_slabs), device_(options) {}

  // Rows end before their max_tokens where `ends_early` says so.
  template <typename EndsEarly>
  JobOutcome run(const std::vector<SequencePtr>& rows, EndsEarly ends_early) {
    size_t next = 0;
    while (next < rows.size() || scheduler_.num_waiting() > 0 || scheduler_.has_running()) {
      while (next < rows.size() && scheduler_.num_waiting() < scheduler_.sort_window()) {
        scheduler_.add(rows[next++]);
      }
      for (const SequencePtr& row : scheduler_.start_rows(true)) started_.push_back(row);
      if (const auto pass = scheduler_.next_prompt_pass()) {
        feed(*pass);
      } else {
        decode();
      }
      outcome_.most_slabs = std::max(outcome_.most_slabs, slabs_in_use());
      end_rows(ends_early);
    }
    CHECK(slabs_in_use() == 0);
    while (const auto pass = scheduler_.next_prompt_pass()) feed(*pass);  // of rows that have ended
    return outcome_;
  }

 private:
  int64_t slabs_in_use() const { return num_slabs_ - scheduler_.pages().num_free_slabs(); }

  void feed(const PromptPass& pass) {
    device_.run(pass);
    for (const PromptSegment& segment : pass) {
      Sequence& sequence = *segment.sequence;
      outcome_.computed += segment.count;
      if (segment.first == sequence.shared_tokens) outcome_.shared += sequence.shared_tokens;
      if (!segment.ends_prompt()) continue;
      ++sequence.num_issued;
      for (const SequencePtr& follower : sequence.followers) ++follower->num_issued;
    }
  }

  void decode() {
    const std::vector<SequencePtr> rows = scheduler_.decode_rows();
    CHECK(scheduler_.repeated_tokens() == repeated_tokens(rows));
    if (!rows.empty()) ++outcome_.decode_steps;
    outcome_.slabs_at_steps = std::max(outcome_.slabs_at_steps, slabs_in_use());
    for (const SequencePtr& sequence : rows) {
      device_.step(*sequence);
      if (++sequence->position >= sequence->prompt_len()) ++sequence->num_issued;
    }
  }

  template <typename EndsEarly>
  void end_rows(EndsEarly ends_early) {
    outcome_.most_rows = std::max(outcome_.most_rows, static_cast<int64_t>(started_.size()));
    std::erase_if(started_, [&](const SequencePtr& row) {
      if (row->num_issued < row->params.max_tokens && !ends_early()) return false;
      scheduler_.end(*row);
      return true;
    });
  }

  static int64_t repeated_tokens(const std::vector<SequencePtr>& rows) {
    std::set<int32_t> pages;
    int64_t repeated = 0;
    for (const SequencePtr& row : rows) {
      for (const int32_t page : row->prompt_pages()) {
        repeated += pages.insert(page).second ? 0 : kPageSize;
      }
    }
    return repeated;
  }

  Scheduler scheduler_;
  int64_t num_slabs_;
  PageDevice device_;
  std::vector<SequencePtr> started_;
  JobOutcome outcome_;
};

}  // namespace eet::test
