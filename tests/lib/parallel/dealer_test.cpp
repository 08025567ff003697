// Which rows engines get: on simulated engines that step in turn, without threads.
#include "lib/parallel/dealer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "lib/parallel/dealt_rows.h"
#include "tests/lib/parallel/simulated_engine.h"

using namespace eet;
using namespace eet::test;

namespace {

std::optional<RowError> accept_all(size_t /*engine*/, const Request& /*request*/) {
  return std::nullopt;
}

// About the lengths of conversations: log-normal, most short and some long.
std::vector<Request> chat_rows(size_t count) {
  std::mt19937 random(5);
  std::lognormal_distribution<double> tokens(4.5, 0.9);
  std::vector<Request> rows;
  for (size_t row = 0; row < count; ++row) {
    const int length = std::clamp(static_cast<int>(tokens(random)), 1, 1000);
    rows.push_back(simulated_request(row, 10 + static_cast<int>(row % 90), length));
  }
  return rows;
}

struct Course {
  std::vector<int64_t> steps;  // of each engine
  int64_t row_steps = 0;
};

// All engines step at the same time until all rows have ended. `dealt` sees every row.
template <typename Dealt>
Course run(Dealer& dealer, std::vector<SimulatedEngine>& engines, std::vector<Request> rows,
           Dealt&& dealt) {
  std::vector<DealtRows> held(engines.size());
  Course course{.steps = std::vector<int64_t>(engines.size()), .row_steps = 0};
  size_t next = 0;
  for (bool working = true; working;) {
    while (next < rows.size() && dealer.num_waiting() < dealer.sort_window()) {
      dealer.add(std::move(rows[next++]));
    }
    for (bool any = true; any;) {
      any = false;
      for (size_t e = 0; e < engines.size(); ++e) {
        std::optional<GroupRow> row = dealer.next_for(e, accept_all);
        if (!row) continue;
        any = true;
        dealt(e, *row);
        engines[e].add_request(row->request);
        held[e].add(std::move(*row));
      }
    }
    working = false;
    for (size_t e = 0; e < engines.size(); ++e) {
      if (!engines[e].has_work()) continue;
      working = true;
      DealtRows::Taken taken;
      held[e].take(engines[e].step(), taken);
      course.row_steps += static_cast<int64_t>(taken.outputs.size());
      ++course.steps[e];
      for (const GroupRow& row : taken.ended) dealer.end(e, row);
      dealer.set_waiting(e, engines[e].num_waiting());
    }
  }
  CHECK(next == rows.size());
  CHECK(dealer.num_waiting() == 0);
  return course;
}

DealerOptions options_for(size_t engines, int slots, size_t window) {
  return {.num_engines = engines,
          .max_num_seqs = slots,
          .sort_window = window,
          .max_model_len = 4096,
          .schedule = Schedule::kRefill};
}

std::vector<SimulatedEngine> simulated(size_t count, int slots) {
  std::vector<SimulatedEngine> engines;
  for (size_t e = 0; e < count; ++e) {
    engines.emplace_back(SimulatedOptions{.max_num_seqs = slots, .sort_window = 64});
  }
  return engines;
}

}  // namespace

TEST_CASE("engines end together, and keep their slots busy until then") {
  constexpr int kSlots = 64;
  for (const size_t count : {1, 2, 3, 8, 16}) {
    CAPTURE(count);
    Dealer dealer(options_for(count, kSlots, 16 * kSlots));
    std::vector<SimulatedEngine> engines = simulated(count, kSlots);
    const Course course =
        run(dealer, engines, chat_rows(count * kSlots * 40), [](size_t, const GroupRow&) {});
    const auto [least, most] = std::minmax_element(course.steps.begin(), course.steps.end());
    // What is left over at the end is rows of 1000 steps that came among the last.
    const double ideal =
        static_cast<double>(course.row_steps) / static_cast<double>(count * kSlots);
    CHECK(static_cast<double>(*least) > 0.98 * ideal);
    CHECK(static_cast<double>(*most) < 1.07 * ideal);
  }
}

TEST_CASE("a job that is smaller than the slots of one engine is shared by all") {
  Dealer dealer(options_for(4, 256, 4096));
  std::vector<SimulatedEngine> engines = simulated(4, 256);
  std::vector<int> rows(4);
  run(dealer, engines, chat_rows(100), [&](size_t e, const GroupRow&) { ++rows[e]; });
  for (const int count : rows) CHECK(count == 25);
}

TEST_CASE("the longest rows of a window come first, over all engines") {
  Dealer dealer(options_for(2, 4, 64));
  for (uint64_t row = 0; row < 40; ++row) {
    dealer.add(simulated_request(row, 5, 1 + static_cast<int>(row * 7 % 40)));
  }
  std::vector<int> lengths;
  for (int turn = 0; turn < 4; ++turn) {
    for (size_t e = 0; e < 2; ++e) {
      lengths.push_back(dealer.next_for(e, accept_all)->request.params.max_tokens);
    }
  }
  CHECK(lengths == std::vector<int>{40, 39, 38, 37, 36, 35, 34, 33});
}

TEST_CASE("rows that begin alike go to the same engine while that costs nothing") {
  constexpr size_t kGroups = 12;
  Dealer dealer(options_for(4, 8, 256));
  std::vector<SimulatedEngine> engines = simulated(4, 8);
  std::vector<Request> rows;
  for (uint64_t row = 0; row < 240; ++row) {
    Request request = simulated_request(row, 200, 20);
    std::fill(request.prompt.begin(), request.prompt.end(), static_cast<int32_t>(row / 20));
    rows.push_back(std::move(request));
  }
  std::vector<std::set<size_t>> homes(kGroups);
  std::vector<int> dealt(4);
  run(dealer, engines, std::move(rows), [&](size_t e, const GroupRow& row) {
    homes[row.request.row / 20].insert(e);
    ++dealt[e];
  });
  size_t places = 0;
  for (const std::set<size_t>& home : homes) places += home.size();
  CHECK(places < 2 * kGroups);  // in order of arrival: four each
  for (const int count : dealt) CHECK(count > 40);
}

TEST_CASE("a row goes to an engine that can run it, and is refused when none can") {
  Dealer dealer(options_for(3, 4, 64));
  dealer.add(simulated_request(7, 500, 10));
  dealer.add(simulated_request(8, 5, 10));
  const auto accepts = [](size_t engine, const Request& request) -> std::optional<RowError> {
    if (engine == 2 || request.prompt.size() < 100) return std::nullopt;
    return RowError{"does_not_fit", "small engine"};
  };
  CHECK(dealer.next_for(0, accepts)->request.row == 8);
  CHECK_FALSE(dealer.next_for(1, accepts));
  CHECK(dealer.take_refused().empty());
  const auto large = dealer.next_for(2, accepts);
  REQUIRE(large);
  CHECK(large->request.row == 7);

  std::vector<GroupRow> unfinished;
  unfinished.push_back(*large);
  dealer.drop(2, std::move(unfinished));
  const std::vector<Dealer::Refused> refused = dealer.take_refused();
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].row == 7);
  CHECK(refused[0].error.code == "does_not_fit");
  CHECK_FALSE(dealer.has_waiting_rows());
}

TEST_CASE("a small sort window keeps rows in the order they came in") {
  Dealer dealer(options_for(2, 4, 1));
  CHECK(dealer.sort_window() == 2);
  for (uint64_t row = 0; row < 6; ++row) {
    dealer.add(simulated_request(row, 5, static_cast<int>(row / 2) + 1));
  }
  std::vector<uint64_t> order;
  for (int turn = 0; turn < 3; ++turn) {
    for (size_t e = 0; e < 2; ++e) order.push_back(dealer.next_for(e, accept_all)->request.row);
  }
  CHECK(order == std::vector<uint64_t>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("static batches are whole while there are rows for them") {
  DealerOptions options = options_for(2, 16, 256);
  options.schedule = Schedule::kStatic;
  Dealer dealer(options);
  for (const Request& row : chat_rows(200)) dealer.add(row);
  for (size_t e = 0; e < 2; ++e) {
    size_t rows = 0;
    while (dealer.next_for(e, accept_all)) ++rows;
    CHECK(rows >= 16);
  }
}
