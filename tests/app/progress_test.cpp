// How far a job is, as it is shown.
#include "app/job/progress.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <optional>
#include <string>

#include "tests/app/temp_directory.h"

namespace eet {
namespace {

// Two good rows and a bad one.
JobCounts some_counts() {
  JobCounts counts;
  Completion good;
  good.finish = FinishReason::kLength;
  good.completion_tokens = 30;
  counts.add(good, 100);
  counts.add(good, 100);
  Completion bad;
  bad.finish = FinishReason::kError;
  bad.error = RowError{"prompt_too_long", "line 3: too long"};
  counts.add(bad, 50);
  return counts;
}

TEST_CASE("progress names rows, speed and, where the size is known, the time left") {
  const JobCounts counts = some_counts();
  CHECK(format_line(report_progress(counts, 2.0, {})) == "3 rows, 30 tokens/s, 1 failed");
  const ProgressReport report = report_progress(counts, 2.0, {250 + 250 * 1800, std::nullopt});
  CHECK(format_line(report) == "3 rows, 30 tokens/s, 1 failed, ETA 1:00:00");
  CHECK(*report.done == doctest::Approx(1.0 / 1801));
  CHECK(format_line(report_progress(counts, 2.0, {500, 6})) ==
        "3 of 6 rows, 30 tokens/s, 1 failed, ETA 0:00:02");
  CHECK(format_line(report_progress(JobCounts(), 0.0, {100, std::nullopt})) ==
        "0 rows, 0 tokens/s");
  CHECK_FALSE(report_progress(JobCounts(), 0.0, {0, std::nullopt}).done);
}

TEST_CASE("a bar fills up, and is left out where nobody knows how far the job is") {
  const auto bar = [](std::optional<double> done) {
    return format_bar(
        {.rows = 7, .total_rows = {}, .tokens_per_second = 9, .done = done, .seconds_left = {}},
        80);
  };
  CHECK(bar(0.0) == "[>                       ]   0 % 7 rows, 9 tokens/s");
  CHECK(bar(0.5) == "[============>           ]  50 % 7 rows, 9 tokens/s");
  CHECK(bar(1.0) == "[========================] 100 % 7 rows, 9 tokens/s");
  CHECK(bar(std::nullopt) == "7 rows, 9 tokens/s");
}

TEST_CASE("a bar fits any terminal, and gives up what matters least first") {
  const ProgressReport report{.rows = 12345,
                              .total_rows = 100'000,
                              .tokens_per_second = 18'000,
                              .failed_rows = 2,
                              .done = 0.12,
                              .seconds_left = 3723.0};
  CHECK(format_bar(report, 99) ==
        "[==>                     ]  12 % 12345 of 100000 rows, 18000 tokens/s, 2 failed, ETA "
        "1:02:03");
  CHECK(format_bar(report, 79) ==
        "[=>         ]  12 % 12345 of 100000 rows, 18000 tokens/s, 2 failed, ETA 1:02:03");
  CHECK(format_bar(report, 65) ==
        " 12 % 12345 of 100000 rows, 18000 tokens/s, 2 failed, ETA 1:02:03");
  CHECK(format_bar(report, 50) == " 12 % 12345 of 100000 rows, 2 failed, ETA 1:02:03");
  CHECK(format_bar(report, 40) == " 12 % 12345 of 100000, 2 failed, 1:02:03");
  for (size_t columns = 0; columns <= 120; ++columns) {
    CAPTURE(columns);
    CHECK(format_bar(report, columns).size() <= columns);
  }
  ProgressReport good = report;
  good.failed_rows = 0;
  CHECK(format_bar(good, 33) == " 12 % 12345 of 100000, 1:02:03");  // a terminal of 34 columns
}

// What a style has put on its stream after one update.
std::string shown(ProgressStyle style) {
  const TempDirectory dir;
  std::FILE* stream = std::fopen(dir.file("log").c_str(), "w");
  {
    Progress progress(
        stream,
        [] {
          return JobSize{500, 4};
        },
        style);
    progress.update(some_counts());
  }
  std::fclose(stream);
  return read_text(dir.file("log"));
}

TEST_CASE("only a bar is shown at once, and off a terminal only when asked for") {
  const std::string bar = shown(ProgressStyle::kBar);
  CHECK(bar.starts_with("\r["));
  CHECK(bar.find("]  50 % 3 of 4 rows") != std::string::npos);
  CHECK(bar.ends_with(" \r"));                   // taken away at the end
  CHECK(bar.find('\x1b') == std::string::npos);  // NO_COLOR, and terminals without escapes
  CHECK(shown(ProgressStyle::kLines).empty());
  CHECK(shown(ProgressStyle::kAuto).empty());
  CHECK(shown(ProgressStyle::kNone).empty());
}

}  // namespace
}  // namespace eet
