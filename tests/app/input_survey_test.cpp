#include "app/job/input/input_survey.h"

#include <doctest/doctest.h>

#include <algorithm>
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

TEST_CASE("a survey keeps the shapes of rows, and a sample from all over the input") {
  InputSurvey survey(/*sample_rows=*/100, /*max_listed=*/0);
  for (int i = 0; i < 10'000; ++i) {
    InputRow row = row_of(static_cast<size_t>(i % 7) + 1);
    row.row = static_cast<uint64_t>(i);
    row.id = std::to_string(i);
    row.params.max_tokens = 5;
    row.params.ignore_eos = i % 2 == 0;
    survey.add(row);
  }
  CHECK(survey.duplicate_ids == 0);
  REQUIRE(survey.shapes.size() == 10'000);
  CHECK(survey.shapes[8].prompt_tokens == 2);
  CHECK(survey.shapes[8].max_tokens == 5);
  CHECK_FALSE(survey.shapes[8].may_stop);
  CHECK(survey.shapes[9].may_stop);
  REQUIRE(survey.sample.size() == 100);
  const auto is_late = [](const InputRow& row) { return row.row >= 5000; };
  const auto late = std::count_if(survey.sample.begin(), survey.sample.end(), is_late);
  CHECK(late > 30);
  CHECK(late < 70);
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
