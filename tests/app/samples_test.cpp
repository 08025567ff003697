// n and best_of as a user gives them.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

std::vector<json> generate(const std::vector<json>& rows, const std::vector<std::string>& flags) {
  const TempDirectory dir;
  std::vector<std::string> args = {"generate",
                                   "-m",
                                   sample_model("tales-llama"),
                                   "-i",
                                   dir.write("in.jsonl", join_lines(rows)),
                                   "-o",
                                   "-",
                                   "--device",
                                   "cpu",
                                   "--max-tokens",
                                   "12",
                                   "-q"};
  args.insert(args.end(), flags.begin(), flags.end());
  return parse_lines(run_eet(args).out);
}

const std::vector<json> kRows = {{{"prompt", "Once upon a time"}},
                                 {{"prompt", "The king said"}, {"n", 1}},
                                 {{"prompt", "The fox"}, {"seed", 4}, {"best_of", 6}}};

}  // namespace

TEST_CASE("rows give n choices, the first of which is what n 1 gives") {
  const std::vector<json> one = generate(kRows, {"--max-num-seqs", "7"});
  const std::vector<json> three = generate(kRows, {"--n", "3", "--max-num-seqs", "7"});
  REQUIRE(three.size() == 3);
  CHECK(three[0]["choices"].size() == 3);
  CHECK(three[0]["text"] == one[0]["text"]);
  CHECK(three[0]["choices"][0]["text"] == one[0]["text"]);
  CHECK(three[0]["choices"][1]["text"] != one[0]["text"]);
  CHECK(three[0]["usage"]["completion_tokens"] == 36);
  CHECK(three[1] == one[1]);  // the row's own n
  CHECK_FALSE(three[1].contains("choices"));
  CHECK(three[2]["choices"].size() == 3);
  CHECK(three[2]["usage"]["completion_tokens"] == 72);
  CHECK(generate(kRows, {"--n", "3", "--max-num-seqs", "32", "--prompt-policy", "serial"}) ==
        three);
}

TEST_CASE("more choices than rows can run are an error row that names both numbers") {
  const std::vector<json> rows = generate(kRows, {"--n", "5", "--max-num-seqs", "4"});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0]["error"]["code"] == "invalid_parameter");
  CHECK(rows[0]["error"]["message"] == "line 1: n: expected at most 4 (--max-num-seqs), got 5");
  CHECK(rows[0]["choices"] == json::array());
  CHECK(rows[1]["error"].is_null());
}

}  // namespace eet
