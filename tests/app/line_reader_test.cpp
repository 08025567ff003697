#include "app/job/input/line_reader.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lib/core/error.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

struct ReadLine {
  uint64_t number;
  std::string text;
  int64_t bytes;
  bool too_long;
  bool operator==(const ReadLine&) const = default;
};

std::vector<ReadLine> read_all(const std::string& content, size_t max_line_bytes = 100) {
  const TempDirectory dir;
  LineReader reader(dir.write("in", content), max_line_bytes);
  std::vector<ReadLine> lines;
  while (const std::optional<Line> line = reader.next()) {
    lines.push_back({line->number, std::string(line->text), line->bytes, line->too_long});
  }
  return lines;
}

TEST_CASE("lines end in LF or CRLF, and the last one need not end") {
  CHECK(read_all("a\nbc\r\n\nd") ==
        std::vector<ReadLine>{
            {1, "a", 2, false}, {2, "bc", 4, false}, {3, "", 1, false}, {4, "d", 1, false}});
}

TEST_CASE("a lone CR ends a line where that is wanted, wherever reads are cut") {
  const TempDirectory dir;
  const std::string wide((size_t{1} << 16) - 2, 'x');  // the CR is the last byte of a read
  for (const std::string end : {"\r", "\r\n", "\n"}) {
    CAPTURE(end.size());
    LineReader reader(dir.write("in", "a" + end + wide + end + end + "b"), size_t{1} << 20);
    reader.end_lines_at_cr();
    std::vector<std::string> lines;
    while (const std::optional<Line> line = reader.next()) {
      lines.emplace_back(line->text);
      CHECK(line->number == lines.size());
      if (lines.size() < 4) CHECK(line->line_end == end);
    }
    CHECK(lines == std::vector<std::string>{"a", wide, "", "b"});
  }
}

TEST_CASE("an empty file has no lines") {
  CHECK(read_all("").empty());
}

TEST_CASE("a byte order mark is dropped before the first line only") {
  const auto lines = read_all("\xEF\xBB\xBF{}\n\xEF\xBB\xBFx\n");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].text == "{}");
  CHECK(lines[0].bytes == 6);
  CHECK(lines[1].text == "\xEF\xBB\xBFx");
}

TEST_CASE("a line over the limit is skipped, counted, and does not disturb its neighbours") {
  const std::string huge(5'000'000, 'x');  // several reads long
  CHECK(read_all("before\n" + huge + "\nafter\n") == std::vector<ReadLine>{{1, "before", 7, false},
                                                                           {2, "", 5'000'001, true},
                                                                           {3, "after", 6, false}});
  CHECK(read_all("before\n" + huge) ==
        std::vector<ReadLine>{{1, "before", 7, false}, {2, "", 5'000'000, true}});
}

TEST_CASE("a line of exactly the limit is kept and one byte more is not") {
  CHECK_FALSE(read_all(std::string(100, 'x') + "\n").at(0).too_long);
  CHECK(read_all(std::string(101, 'x') + "\n").at(0).too_long);
}

TEST_CASE("lines longer than one read come out whole") {
  const std::string first(3'000'000, 'a');
  const std::string second(2'500'000, 'b');
  const auto lines = read_all(first + "\n" + second + "\n", 4'000'000);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].text == first);
  CHECK(lines[1].text == second);
}

TEST_CASE("a missing input and a directory as input are refused by name") {
  const TempDirectory dir;
  CHECK_THROWS_WITH_AS(LineReader(dir.file("none"), 100),
                       doctest::Contains("none: cannot open the input"), Error);
  CHECK_THROWS_WITH_AS(LineReader(dir.file(""), 100), doctest::Contains("got a directory"), Error);
}

TEST_CASE("the size of a file is known") {
  const TempDirectory dir;
  CHECK(LineReader(dir.write("in", "12345"), 100).total_bytes() == 5);
}

}  // namespace
}  // namespace eet
