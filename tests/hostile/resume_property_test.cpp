// Whatever happens to the input between two runs, --resume gives what a run of the new input gives.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tests/hostile/small_job.h"

namespace eet {
namespace {

using Lines = std::vector<std::string>;

std::string random_line(std::mt19937& random) {
  constexpr const char* kLines[] = {
      R"({"prompt":"Once upon a time","max_tokens":4})",
      R"({"id":"a","prompt":"The king","max_tokens":3,"temperature":0})",
      R"({"id":"b","prompt":"The king","max_tokens":3,"seed":7,"source":[1]})",
      R"({"id":"c","prompt":"A","n":2,"max_tokens":2})",
      R"({"id":"d","prompt":"A","top_p":7})",
      R"({"prompt_token_ids":[1,2,3],"max_tokens":2,"stop":["e"]})",
      "not JSON",
      "",
  };
  return kLines[random() % std::size(kLines)];
}

void change(Lines& lines, std::mt19937& random) {
  const auto at = lines.begin() + static_cast<std::ptrdiff_t>(random() % lines.size());
  switch (random() % 6) {
    case 0:
      *at = random_line(random);
      break;
    case 1:
      lines.insert(at, random_line(random));
      break;
    case 2:
      if (lines.size() > 1) lines.erase(at);
      break;
    case 3:
      std::shuffle(lines.begin(), lines.end(), random);
      break;
    case 4:
      std::rotate(lines.begin(), at, lines.end());
      break;
    default:
      lines.push_back(*at);
  }
}

std::string joined(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST_CASE("after any changes of the input a resumed job's output is that of a new one") {
  std::mt19937 random(5);
  SmallJob job;
  Lines lines;
  for (int i = 0; i < 8; ++i) lines.push_back(random_line(random));
  for (int round = 0; round < 25; ++round) {
    CAPTURE(round);
    job.dir.write("in.jsonl", joined(lines));
    CAPTURE(joined(lines));
    const EetResult resumed = job.run({"--resume", "--keep-journal"});
    SmallJob fresh;
    fresh.input = job.input;
    const EetResult expected = fresh.run();
    CHECK(resumed.exit_code == expected.exit_code);
    REQUIRE(read_text(job.output) == read_text(fresh.output));
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) change(lines, random);
  }
}

}  // namespace
}  // namespace eet
