// Rows that come through a pipe, one by one.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

TEST_CASE("the first row of a pipe that stays open comes out when it is done") {
  const TempDirectory dir;
  // The writer writes a row and waits until the reader has one, or for 60 s.
  const std::string script =
      "cd " + shell_quoted(dir.file("")) +
      "; (echo '{\"prompt\":\"Once\"}'; for i in $(seq 600); do [ -e got ] && exit; sleep 0.1; "
      "done; touch exhausted) | " +
      shell_quoted(EET_PROGRAM) + " generate -q -m " + shell_quoted(sample_model("tales-llama")) +
      " -i - -o - --device cpu --max-tokens 2 | (read -r row; touch got; cat >rest)";
  CHECK(std::system(script.c_str()) == 0);
  CHECK(std::filesystem::exists(dir.file("got")));
  CHECK_FALSE(std::filesystem::exists(dir.file("exhausted")));
}

}  // namespace
}  // namespace eet
