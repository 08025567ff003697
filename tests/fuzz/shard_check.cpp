// The line beside a shard's output: what is taken is written again as the same line.
#include <string>

#include "app/job/local_time.h"
#include "app/job/shard.h"
#include "tests/fuzz/entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  const std::string_view line = FuzzInput(data, size).rest();
  if (const std::optional<ShardCheck> check = parse_shard_check(line)) {
    expect(check->shard.index < check->shard.count, "a shard that there is");
    std::string text = format_shard_check(*check);
    text.pop_back();
    expect(parse_shard_check(text) == check, "the same check again");
  }
  if (const std::optional<int64_t> time = parse_local_time(std::string(line))) {
    expect(format_local_time(*time).starts_with(line.substr(0, 10)), "the same day again");
  }
  return 0;
}
