// Pages of layers with sliding windows: given back behind the window and written again, and never
// while they can still be read.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "lib/cache/page_pool.h"
#include "lib/runner/key_counter.h"
#include "lib/schedule/page_needs.h"
#include "tests/lib/scheduled_job.h"

namespace eet::test {
namespace {

constexpr auto kNever = [] { return false; };

SequencePtr make_row(uint64_t row, int prompt_len, int max_tokens, int samples = 1) {
  auto sequence = std::make_shared<Sequence>();
  sequence->request.row = row;
  sequence->request.prompt.assign(static_cast<size_t>(prompt_len), static_cast<int32_t>(row));
  sequence->request.params.n = samples;
  sequence->params.max_tokens = max_tokens;
  return sequence;
}

// Slabs of one group's pages alone.
PageGroups only(int64_t window) {
  return page_groups({{.window = window, .num_layers = 3}});
}

// As many layers with windows as without: a slab is a page of either.
PageGroups half(int64_t window) {
  return page_groups({{.window = 0, .num_layers = 4}, {.window = window, .num_layers = 4}});
}

TEST_CASE("a row with windows holds the pages of its window, however far it gets") {
  for (const int window : {1, 2, 127, 128, 129, 130, 500}) {
    CAPTURE(window);
    const int64_t ring = page_rule(window, 256).ring;
    SchedulerOptions options{.max_num_seqs = 1,
                             .max_batched_tokens = 256,
                             .sort_window = 4,
                             .page_groups = only(window)};
    CHECK(ScheduledJob(options, 40).run({make_row(0, 10, 3000)}, kNever).most_slabs == ring);
    // Layers without windows beside them keep all.
    options.page_groups = half(window);
    CHECK(ScheduledJob(options, 40).run({make_row(0, 10, 3000)}, kNever).most_slabs == ring + 24);
    // A long prompt has the pages that a pass reads and writes, and gives them back.
    const int64_t of_pass = page_rule(window, 256).prompt_ring;
    const JobOutcome outcome =
        ScheduledJob(options, 64 + 7).run({make_row(0, 8000, 100), make_row(1, 8000, 100)}, kNever);
    CHECK(outcome.most_slabs == 64 + of_pass);
    CHECK(outcome.slabs_at_steps <= 64 + ring);
  }
}

TEST_CASE("where some layers have windows more rows fit") {
  const auto most_rows = [](const PageGroups& groups, int64_t slabs) {
    const SchedulerOptions options{.max_num_seqs = 64,
                                   .max_batched_tokens = 512,
                                   .sort_window = 64,
                                   .page_groups = groups,
                                   .share_prefixes = true};
    std::vector<SequencePtr> rows;
    for (uint64_t row = 0; row < 40; ++row) rows.push_back(make_row(row, 100 + row % 7, 1000));
    return ScheduledJob(options, slabs).run(rows, kNever).most_rows;
  };
  // Nine pages of all positions each, of eight layers or of four, which are half as large, and two
  // of the window.
  CHECK(most_rows(page_groups({{.window = 0, .num_layers = 8}}), 100) == 100 / 9);
  CHECK(most_rows(half(100), 200) == 200 / 11);
}

TEST_CASE("a static batch takes rows as its first prompts give their pages back") {
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kRefill}) {
    const SchedulerOptions options{.schedule = schedule,
                                   .max_num_seqs = 16,
                                   .max_batched_tokens = 2048,
                                   .sort_window = 16,
                                   .page_groups = half(100)};
    std::vector<SequencePtr> rows;
    for (uint64_t row = 0; row < 16; ++row) rows.push_back(make_row(row, 2000, 10));
    // Each has 16 pages of all positions, and 16 of the window while its prompt is fed, then two.
    const JobOutcome outcome = ScheduledJob(options, 16 * (16 + 2) + 32).run(rows, kNever);
    CHECK(outcome.most_rows == 16);
    CHECK(outcome.decode_steps == 9);
  }
}

TEST_CASE("no page is written again while a window reaches it") {
  std::mt19937 random(3);
  const auto uniform = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  constexpr PromptPolicy kPolicies[] = {PromptPolicy::kPacked, PromptPolicy::kPadded,
                                        PromptPolicy::kMinLength, PromptPolicy::kSerial};
  for (int round = 0; round < 32; ++round) {
    const int window = uniform(1, 700);
    const SchedulerOptions options{.schedule = round % 2 ? Schedule::kStatic : Schedule::kRefill,
                                   .prompt_policy = kPolicies[round / 2 % 4],
                                   .max_num_seqs = 12,
                                   .max_batched_tokens = uniform(100, 1500),
                                   .sort_window = 16,
                                   .page_groups = round % 3 ? half(window) : only(window)};
    std::vector<SequencePtr> rows;
    for (uint64_t row = 0; row < 15; ++row) {
      rows.push_back(make_row(row, uniform(1, 900), uniform(1, 600), uniform(1, 4)));
    }
    CAPTURE(window);
    CAPTURE(round);
    ScheduledJob(options, 100).run(rows, kNever);
  }
}

TEST_CASE("pages of any groups come from the same slabs, and no two have memory in common") {
  const PageGroups groups = page_groups({{.window = 0, .num_layers = 3},
                                         {.window = 9, .num_layers = 7},
                                         {.window = 70, .num_layers = 2}});
  constexpr int64_t kSlabs = 20;
  PagePool pool(groups, kSlabs);
  std::mt19937 random(1);
  std::map<size_t, std::vector<int32_t>> taken;
  for (int round = 0; round < 2000; ++round) {
    const size_t group = random() % 3;
    const auto count = static_cast<int64_t>(random() % 4);
    std::vector<int64_t> wanted(3, 0);
    wanted[group] = count;
    std::vector<int32_t>& own = taken[group];
    if (random() % 2 == 0 && pool.fits(wanted)) {
      const std::vector<int32_t> pages = pool.take(group, count);
      own.insert(own.end(), pages.begin(), pages.end());
    } else {
      std::shuffle(own.begin(), own.end(), random);
      const size_t left = own.size() - std::min(own.size(), static_cast<size_t>(2 * count));
      pool.give_back(group, std::span(own).subspan(left));
      own.resize(left);
    }
    // Planes of the cache: two for each layer of a slab.
    std::set<int64_t> planes;
    size_t expected = 0;
    for (const auto& [of, pages] : taken) {
      for (const int32_t page : pages) {
        CHECK(page < groups.end_of_page_numbers(of, kSlabs));
        expected += static_cast<size_t>(2 * groups.groups[of].num_layers);
        for (int64_t plane = 0; plane < 2 * groups.groups[of].num_layers; ++plane) {
          const int64_t at = plane * kSlabs + page;
          CHECK(at < 2 * groups.slab_layers * kSlabs);
          planes.insert(at);
        }
      }
    }
    REQUIRE(planes.size() == expected);
  }
  for (const auto& [group, pages] : taken) pool.give_back(group, pages);
  CHECK(pool.num_free_slabs() == kSlabs);
  CHECK(pool.fits(std::vector<int64_t>{0, kSlabs * groups.pages_of_slab(1), 0}));
  CHECK_FALSE(pool.fits(std::vector<int64_t>{1, kSlabs * groups.pages_of_slab(1), 0}));
}

TEST_CASE("slabs waste little of what pages leave, and windows that reach all positions are none") {
  const auto slab_layers = [](int64_t full, int64_t windowed) {
    return page_groups({{.window = 0, .num_layers = full}, {.window = 9, .num_layers = windowed}})
        .slab_layers;
  };
  CHECK(slab_layers(12, 12) == 12);
  CHECK(slab_layers(5, 29) == 29);   // five pages of the one, for 25 of 29 layers
  CHECK(slab_layers(10, 16) == 32);  // three of the one and two of the other
  ModelConfig config;
  LayerConfig full;
  LayerConfig windowed;
  windowed.attention.window = 100;
  config.layer_kinds = {windowed, full};
  config.layers = {0, 1, 0, 0};
  const PageGroups groups = page_groups(config, 101);
  REQUIRE(groups.groups.size() == 2);
  CHECK(groups.groups[0] == PageGroup{.window = 0, .num_layers = 1});
  CHECK(groups.groups[1] == PageGroup{.window = 100, .num_layers = 3});
  const std::vector<LayerPlace> places = layer_places(config, groups, 101);
  CHECK(places[1].group == 0);
  CHECK(places[2].group == 1);
  CHECK(places[2].index == 1);
  CHECK(page_groups(config, 100) == PageGroups{.groups = {{.num_layers = 4}}, .slab_layers = 4});
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
}  // namespace eet::test
