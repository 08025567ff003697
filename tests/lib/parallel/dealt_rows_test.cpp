// What another engine's tokens are compared with after one has failed.
#include "lib/parallel/dealt_rows.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/lib/parallel/simulated_engine.h"

using namespace eet;
using namespace eet::test;

namespace {

TokenOutput token(uint64_t row, int32_t id, FinishReason finish = FinishReason::kNone,
                  int32_t sample = 0) {
  return {.row = row, .sample = sample, .token_id = id, .logprob = -0.5F, .finish = finish};
}

std::vector<int32_t> ids(const DealtRows::Taken& taken) {
  std::vector<int32_t> all;
  for (const TokenOutput& output : taken.outputs) all.push_back(output.token_id);
  return all;
}

DealtRows::Taken take(DealtRows& rows, const std::vector<TokenOutput>& outputs) {
  DealtRows::Taken taken;
  rows.take(outputs, taken);
  return taken;
}

// A row of which an engine that failed has given 10, 11 and 12.
GroupRow begun_row(int32_t n = 1) {
  DealtRows first;
  first.add({.request = simulated_request(3, 5, 9, n)});
  CHECK(ids(take(first, {token(3, 10), token(3, 11), token(3, 12)})).size() == 3);
  std::vector<GroupRow> rows = first.take_unfinished();
  REQUIRE(rows.size() == 1);
  CHECK(first.take_unfinished().empty());
  return rows.front();
}

}  // namespace

TEST_CASE("tokens that are known already are left out, and the row goes on") {
  DealtRows second;
  second.add(begun_row());
  CHECK(take(second, {token(3, 10), token(3, 11)}).outputs.empty());
  CHECK(ids(take(second, {token(3, 12), token(3, 13)})) == std::vector<int32_t>{13});
  const DealtRows::Taken last = take(second, {token(3, 14, FinishReason::kLength)});
  CHECK(ids(last) == std::vector<int32_t>{14});
  CHECK(last.ended.size() == 1);
}

TEST_CASE("a third engine knows what the first one gave when the second fails early") {
  DealtRows second;
  second.add(begun_row());
  take(second, {token(3, 10)});
  DealtRows third;
  third.add(second.take_unfinished().front());
  CHECK(ids(take(third, {token(3, 10), token(3, 11), token(3, 12), token(3, 13)})) ==
        std::vector<int32_t>{13});
}

TEST_CASE("other tokens than before make the row an error") {
  for (const std::vector<TokenOutput>& outputs :
       {std::vector{token(3, 10), token(3, 99), token(3, 12)},
        std::vector{token(3, 10), token(3, 11, FinishReason::kStop)}}) {
    DealtRows second;
    second.add(begun_row(2));
    const DealtRows::Taken taken = take(second, outputs);
    REQUIRE(taken.outputs.size() == 1);
    CHECK(taken.outputs[0].finish == FinishReason::kError);
    CHECK(taken.outputs[0].error->code == "not_reproduced");
    CHECK(taken.stops.size() == 2);
    CHECK(taken.ended.size() == 1);
    CHECK(second.take_unfinished().empty());
  }
}

TEST_CASE("another log-probability is another result") {
  DealtRows second;
  second.add(begun_row());
  TokenOutput changed = token(3, 11);
  changed.logprob = -0.25F;
  const DealtRows::Taken taken = take(second, {token(3, 10), changed, token(3, 12)});
  REQUIRE(taken.outputs.size() == 1);
  CHECK(taken.outputs[0].finish == FinishReason::kError);
}

TEST_CASE("samples that had ended are not run to their ends again") {
  DealtRows first;
  first.add({.request = simulated_request(3, 5, 9, 3)});
  take(first, {token(3, 10), token(3, 20, FinishReason::kStop, 1)});
  DealtRows::Taken stopped;
  first.stop(3, 2, stopped);
  DealtRows second;
  second.add(first.take_unfinished().front());
  const DealtRows::Taken taken =
      take(second, {token(3, 10), token(3, 20, FinishReason::kNone, 1),
                    token(3, 30, FinishReason::kNone, 2), token(3, 11, FinishReason::kLength)});
  CHECK(ids(taken) == std::vector<int32_t>{11});
  CHECK(taken.stops.size() == 2);
  CHECK(taken.ended.size() == 1);
}

TEST_CASE("a row that is stopped ends, and tokens that come later are not returned") {
  DealtRows rows;
  rows.add({.request = simulated_request(3, 5, 9)});
  DealtRows::Taken taken;
  rows.stop(3, 0, taken);
  CHECK(taken.ended.size() == 1);
  CHECK(taken.stops.size() == 1);
  rows.stop(3, 0, taken);
  CHECK(taken.stops.size() == 1);
  CHECK(take(rows, {token(3, 10)}).outputs.empty());
}
