// Rows that come through a pipe, one by one.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

TEST_CASE("the first row of a pipe that goes on slowly comes out when it is done") {
  const TempDirectory dir;
  // The writer goes on until the reader has a row, or for 20 s.
  const std::string script =
      "cd " + shell_quoted(dir.file("")) +
      "; (for i in $(seq 400); do [ -e got ] && exit; echo '{\"prompt\":\"Once\"}'; sleep 0.05; "
      "done; touch exhausted) | " +
      shell_quoted(EET_PROGRAM) + " generate -q -m " + shell_quoted(sample_model("tales-llama")) +
      " -i - -o - --device cpu --max-tokens 2 | (read -r row; touch got; cat >rest)";
  CHECK(std::system(script.c_str()) == 0);
  CHECK(std::filesystem::exists(dir.file("got")));
  CHECK_FALSE(std::filesystem::exists(dir.file("exhausted")));
}

}  // namespace
}  // namespace eet
