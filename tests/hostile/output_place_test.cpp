#include "app/job/output/output_place.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "app/job/output/whole_file.h"
#include "lib/core/error.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

TEST_CASE("a file that appears in an output's place while a job runs is not overwritten") {
  const TempDirectory dir;
  WholeFile file{OutputPlace(dir.file("out"))};
  file.write("ours");
  dir.write("out", "theirs");
  CHECK_THROWS_WITH_AS(file.finish(), doctest::Contains("was not there when the job began"), Error);
  CHECK(read_text(dir.file("out")) == "theirs");
}

TEST_CASE("a file that was replaced or removed while a job runs is not overwritten") {
  const TempDirectory dir;
  dir.write("out", "old");
  dir.write("input", "theirs");
  WholeFile replaced{OutputPlace(dir.file("out"))};
  fs::rename(dir.file("input"), dir.file("out"));
  CHECK_THROWS_WITH_AS(replaced.finish(), doctest::Contains("replaced or removed"), Error);
  CHECK(read_text(dir.file("out")) == "theirs");
  WholeFile removed{OutputPlace(dir.file("out"))};
  fs::remove(dir.file("out"));
  CHECK_THROWS_WITH_AS(removed.finish(), doctest::Contains("replaced or removed"), Error);
}

TEST_CASE("an output that nobody touched is replaced, and nothing else stays") {
  const TempDirectory dir;
  dir.write("out", "old");
  {
    WholeFile file{OutputPlace(dir.file("out"))};
    file.write("new");
    CHECK(read_text(dir.file("out")) == "old");
    file.finish();
  }
  CHECK(read_text(dir.file("out")) == "new");
  CHECK(std::distance(fs::directory_iterator(dir.file("")), fs::directory_iterator()) == 1);
}

}  // namespace
}  // namespace eet
