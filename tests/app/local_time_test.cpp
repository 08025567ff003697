#include "app/job/local_time.h"

#include <doctest/doctest.h>

#include "app/job/text/told_times.h"

namespace eet {
namespace {

TEST_CASE("a local time is read as it is written, and what is none is refused") {
  const std::optional<int64_t> day = parse_local_time("2026-01-31");
  REQUIRE(day);
  CHECK(format_local_time(*day) == "2026-01-31T00:00:00");
  CHECK(parse_local_time("2026-01-31T00:01:40") == *day + 100);
  for (const char* bad :
       {"", "now", "2026", "2026-02-30", "2026-13-01", "2026-01-31T", "2026-01-31T24:00:00",
        "2026-01-31T09:30", "2026-01-31 09:30:00", "2026-01-31T09:30:00Z", "2026-1-31T9:30:00"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_local_time(bad));
  }
}

TEST_CASE("what templates were told is told apart by every answer, not by order or number") {
  ToldTimes one;
  ToldTimes other;
  CHECK_FALSE(one.hash("now"));
  one.add("%d", "31");
  one.add("%H", "09");
  other.add("%H", "09");
  other.add("%d", "31");
  other.add("%d", "31");
  CHECK(one.hash("now") == other.hash("then"));
  other.add("%d", "30");
  CHECK(one.hash("now") != other.hash("now"));
  for (int i = 0; i < 1000; ++i) {
    one.add(std::to_string(i), "x");
    other.add(std::to_string(i), "x");
  }
  CHECK(one.hash("now") == other.hash("now"));
  CHECK(one.hash("now") != other.hash("then"));
}

}  // namespace
}  // namespace eet
