#include "app/job/input/input_survey.h"

#include <doctest/doctest.h>

#include <string>

namespace eet {
namespace {

InputRow row_of(size_t prompt_tokens) {
  InputRow row;
  row.prompt_ids.assign(prompt_tokens, 1);
  return row;
}

TEST_CASE("an id set knows which of many ids it has seen") {
  IdSet ids;
  for (int i = 0; i < 100'000; ++i) CHECK(ids.insert(std::to_string(i)));
  for (int i = 0; i < 100'000; ++i) CHECK_FALSE(ids.insert(std::to_string(i)));
  CHECK(ids.insert("\"1\""));  // a string is not the number
}

TEST_CASE("batches are cut from rows sorted within a window, as the engine cuts them") {
  InputSurvey survey(/*batch_rows=*/2, /*window_rows=*/4, /*max_listed=*/0);
  for (const size_t length : {1, 8, 2, 9, 5, 3}) {
    InputRow row = row_of(length);
    row.id = std::to_string(length);
    survey.add(row);
  }
  survey.finish();
  // 9 8 | 2 1 in the first window, 5 3 in the second.
  CHECK(survey.padding.batches == 3);
  CHECK(survey.padding.pads == 1 + 1 + 2);
  CHECK(survey.padding.min_length_steps == 1 + 1 + 2);
  CHECK(survey.padding.serial_steps == 9 + 2 + 5);
  CHECK(survey.prompts.tokens() == 28);
  CHECK(survey.duplicate_ids == 0);
}

TEST_CASE("lengths have exact quantiles and a histogram by powers of two") {
  LengthCounts lengths;
  CHECK(lengths.quantile(0.5) == 0);
  CHECK(lengths.histogram().empty());
  for (size_t length = 1; length <= 100; ++length) lengths.add(length);
  CHECK(lengths.quantile(0.01) == 1);
  CHECK(lengths.quantile(0.5) == 50);
  CHECK(lengths.quantile(1.0) == 100);
  CHECK(lengths.mean() == 50.5);
  const auto bins = lengths.histogram();
  REQUIRE(bins.size() == 7);
  CHECK(bins[6].first == 64);
  CHECK(bins[6].last == 100);
  CHECK(bins[6].rows == 37);
}

}  // namespace
}  // namespace eet
