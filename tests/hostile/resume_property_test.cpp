// Whatever happens to the input between two runs, --resume gives what a run of the new input gives.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <sstream>

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

// Rows without their order, for outputs that have none.
std::string sorted(const std::string& text) {
  std::istringstream in(text);
  Lines lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return joined(lines);
}

// Runs a job with --resume after each of `rounds` changes of its input.
void resume_after_changes(unsigned seed, int rounds, const std::vector<std::string>& flags,
                          bool is_ordered = true) {
  std::mt19937 random(seed);
  SmallJob job;
  Lines lines;
  for (int i = 0; i < 8; ++i) lines.push_back(random_line(random));
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    job.dir.write("in.jsonl", joined(lines));
    CAPTURE(joined(lines));
    std::vector<std::string> resume = {"--resume", "--keep-journal"};
    resume.insert(resume.end(), flags.begin(), flags.end());
    const EetResult resumed = job.run(resume);
    SmallJob fresh;
    fresh.input = job.input;
    const EetResult expected = fresh.run(flags);
    CHECK(resumed.exit_code == expected.exit_code);
    const std::string got = read_text(job.output);
    const std::string wanted = read_text(fresh.output);
    REQUIRE((got == wanted || (!is_ordered && sorted(got) == sorted(wanted))));
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) change(lines, random);
  }
}

TEST_CASE("after any changes of the input a resumed job's output is that of a new one") {
  resume_after_changes(5, 25, {});
}

TEST_CASE("so is that of a shard, of several sampled completions, and in order of completion") {
  resume_after_changes(6, 8, {"--shard", "1/2"});
  resume_after_changes(7, 8, {"-n", "2", "--best-of", "3", "--seed", "9", "--logprobs"});
  resume_after_changes(8, 8, {"--output-order", "completion"}, /*is_ordered=*/false);
}

}  // namespace
}  // namespace eet
