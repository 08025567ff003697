#include "app/job/shard.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "app/job/input/request_reader.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

TEST_CASE("shards are counted from 0, and nothing else is one") {
  CHECK(parse_shard("0/1") == Shard{0, 1});
  CHECK(parse_shard("2/5") == Shard{2, 5});
  for (const char* bad : {"", "5", "/", "1/", "/2", "5/5", "6/5", "0/0", "-1/5", "+1/5", "1/5 ",
                          " 1/5", "1/5/6", "1.0/5", "0/1000001", "0/99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_shard(bad));
  }
}

TEST_CASE("every row is in one shard, and each shard knows how many it has") {
  for (const uint64_t count : {1, 2, 3, 7}) {
    for (uint64_t rows = 0; rows < 20; ++rows) {
      uint64_t sum = 0;
      for (uint64_t index = 0; index < count; ++index) {
        const Shard shard{index, count};
        uint64_t own = 0;
        for (uint64_t row = 0; row < rows; ++row) own += shard.has(row) ? 1 : 0;
        CHECK(shard.rows_of(rows) == own);
        sum += own;
      }
      CHECK(sum == rows);
    }
  }
}

// The rows that a shard reads, as index and id.
std::vector<std::string> rows_of(const std::string& input, const Shard& shard,
                                 uint64_t expected_rows) {
  InputOptions options;
  options.shard = shard;
  RequestReader reader({input}, {}, options);
  std::vector<std::string> rows;
  while (const std::optional<InputRow> row = reader.next()) {
    rows.push_back(std::to_string(row->row) + ":" + row->id);
  }
  CHECK(reader.input_rows() == expected_rows);
  return rows;
}

TEST_CASE("rows of a shard keep the index and the id that they have in the whole input") {
  const TempDirectory dir;
  const std::string row = "{\"prompt\":\"a\"}\n";
  const std::string input = dir.write("in.jsonl", row + "\n" + row + "bad\n" + row + row);
  CHECK(rows_of(input, {0, 2}, 5) == std::vector<std::string>{"0:1", "2:4", "4:6"});
  CHECK(rows_of(input, {1, 2}, 5) == std::vector<std::string>{"1:3", "3:5"});
  CHECK(rows_of(input, {6, 7}, 5).empty());
  const std::string table = dir.write("in.csv", "prompt\na\n\"b\nb\"\nc\n");
  CHECK(rows_of(table, {1, 2}, 3) == std::vector<std::string>{"1:3"});
  CHECK(rows_of(table, {0, 2}, 3) == std::vector<std::string>{"0:2", "2:5"});
}

TEST_CASE("a shard's check is read as it was written, and a row is none") {
  ShardCheck check = {{2, 5}, 17, 0x00AB'0000'0000'CDEF, 0x12};
  std::string line = format_shard_check(check);
  CHECK(line ==
        "{\"eet_shard\":\"2/5\",\"input_rows\":17,\"input_hash\":\"00ab00000000cdef\","
        "\"job_hash\":\"0000000000000012\"}\n");
  line.pop_back();
  CHECK(parse_shard_check(line) == check);
  check.rows_hash = 0x34;
  line = format_shard_check(check);
  CHECK(line.ends_with(",\"rows_hash\":\"0000000000000034\"}\n"));
  line.pop_back();
  CHECK(parse_shard_check(line) == check);
  for (size_t length = 0; length < line.size(); ++length) {
    CHECK_FALSE(parse_shard_check(line.substr(0, length)));
  }
  CHECK_FALSE(parse_shard_check(line + " "));
  check.time = ShardTime{"2026-01-31T09:30:00", 0x56};
  line = format_shard_check(check);
  line.pop_back();
  CHECK(line.ends_with(R"(,"start_time":"2026-01-31T09:30:00","told_hash":"0000000000000056"})"));
  CHECK(parse_shard_check(line) == check);
  for (size_t length = 0; length < line.size(); ++length) {
    CHECK_FALSE(parse_shard_check(line.substr(0, length)));
  }
  CHECK_FALSE(parse_shard_check(R"({"id":1,"text":"{\"eet_shard\":\"2/5\"","error":null})"));
}

}  // namespace
}  // namespace eet
