// Pages of rows whose layers all have sliding windows: given back behind the window and written
// again, and never while they can still be read.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "lib/runner/key_counter.h"
#include "lib/schedule/scheduler.h"

namespace eet {
namespace {

// What a page holds: a logical page of a row, of one sample or (-1) of the prompt all have in
// common.
using Content = std::tuple<uint64_t, int64_t, int32_t>;

// Plays the device: writes what passes write, and checks that what they read is still there.
class Device {
 public:
  explicit Device(int64_t window) : window_(window) {}

  void run(const PromptPass& pass) {
    for (const PromptSegment& segment : pass) {
      const Sequence& sequence = *segment.sequence;
      for (int32_t p = segment.first; p < segment.end(); ++p) write(sequence, p);
      for (int32_t p = segment.first; p < segment.end(); ++p) read(sequence, p);
      if (!segment.ends_prompt()) continue;
      for (const SequencePtr& follower : sequence.followers) {
        if (sequence.prompt_len() % kPageSize != 0) write(*follower, sequence.prompt_len() - 1);
      }
    }
  }

  void step(const Sequence& sequence, int32_t position) {
    write(sequence, position);
    read(sequence, position);
  }

 private:
  static Content content(const Sequence& sequence, int64_t logical) {
    const bool shared = sequence.num_samples() > 1 && logical < sequence.prompt_len() / kPageSize;
    return {sequence.request.row, logical, shared ? -1 : sequence.sample};
  }
  void write(const Sequence& sequence, int64_t position) {
    const int64_t logical = position / kPageSize;
    pages_[sequence.pages[logical]] = content(sequence, logical);
  }
  void read(const Sequence& sequence, int64_t position) {
    const int64_t first = std::max<int64_t>(0, position - window_ + 1);
    for (int64_t page = first / kPageSize; page <= position / kPageSize; ++page) {
      const Content expected = content(sequence, page);
      const bool there = pages_[sequence.pages[page]] == expected;
      if (!there) {
        CAPTURE(sequence.request.row);
        CAPTURE(position);
        CAPTURE(page);
        CHECK(there);
      }
    }
  }

  int64_t window_;
  std::map<int32_t, Content> pages_;
};

// Runs all rows and returns the most pages that were in use at once.
int64_t run_rows(const std::vector<SequencePtr>& rows, const SchedulerOptions& options,
                 int64_t num_pages) {
  Scheduler scheduler(options, num_pages);
  Device device(options.kv_window);
  for (const SequencePtr& row : rows) scheduler.add(row);
  int64_t most = 0;
  while (scheduler.num_waiting() > 0 || scheduler.has_running()) {
    scheduler.start_rows(true);
    if (const auto pass = scheduler.next_prompt_pass()) {
      device.run(*pass);
      for (const PromptSegment& segment : *pass) {
        if (!segment.ends_prompt()) continue;
        ++segment.sequence->num_issued;
        for (const SequencePtr& follower : segment.sequence->followers) ++follower->num_issued;
      }
    } else {
      for (const SequencePtr& sequence : scheduler.decode_rows()) {
        device.step(*sequence, sequence->position++);
        ++sequence->num_issued;
      }
    }
    most = std::max(most, num_pages - scheduler.pages().num_free());
    for (const SequencePtr& row : rows) {
      for (int32_t sample = 0; sample < row->num_samples(); ++sample) {
        const SequencePtr running = scheduler.find(row->request.row, sample);
        if (running && running->num_issued >= running->params.max_tokens) scheduler.end(*running);
      }
    }
  }
  CHECK(scheduler.pages().num_free() == num_pages);
  return most;
}

SequencePtr make_row(uint64_t row, int prompt_len, int max_tokens, int samples = 1) {
  auto sequence = std::make_shared<Sequence>();
  sequence->request.row = row;
  sequence->request.prompt.resize(static_cast<size_t>(prompt_len));
  sequence->request.params.n = samples;
  sequence->params.max_tokens = max_tokens;
  return sequence;
}

TEST_CASE("a row with windows holds the pages of its window, however far it gets") {
  for (const int window : {1, 2, 127, 128, 129, 130, 500}) {
    CAPTURE(window);
    const SchedulerOptions options{
        .max_num_seqs = 1, .max_batched_tokens = 4096, .sort_window = 4, .kv_window = window};
    CHECK(run_rows({make_row(0, 10, 3000)}, options, 40) == ring_pages(window));
    // A long prompt needs its pages while it is fed, and another row can have them afterwards.
    CHECK(run_rows({make_row(0, 2000, 300), make_row(1, 2000, 300)}, options, 16) == 16);
  }
}

TEST_CASE("no page is written again while a window reaches it") {
  std::mt19937 random(3);
  const auto uniform = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 40; ++round) {
    const SchedulerOptions options{.schedule = round % 2 ? Schedule::kStatic : Schedule::kRefill,
                                   .max_num_seqs = 12,
                                   .max_batched_tokens = uniform(100, 1500),
                                   .sort_window = 16,
                                   .kv_window = uniform(1, 700)};
    std::vector<SequencePtr> rows;
    for (uint64_t row = 0; row < 15; ++row) {
      rows.push_back(make_row(row, uniform(1, 900), uniform(1, 600), uniform(1, 4)));
    }
    CAPTURE(options.kv_window);
    run_rows(rows, options, 45);
  }
}

TEST_CASE("keys are counted as far as windows let them be seen") {
  ModelConfig config;
  LayerConfig full;
  LayerConfig windowed;
  windowed.attention.window = 10;
  config.layer_kinds = {full, windowed};
  config.layers = {0, 1, 1, 0};
  const KeyCounter keys(config);
  CHECK(keys.of_query(5) == 5);
  CHECK(keys.of_query(30) == 20);
  // Queries 8 to 12 see 9 to 13 keys, and with windows 9, 10, 10, 10, 10.
  CHECK(keys.of_queries(8, 5) == (55 + 49) / 2);
  config.layers = {0};
  CHECK(KeyCounter(config).of_queries(0, 100) == 5050);
}

}  // namespace
}  // namespace eet
