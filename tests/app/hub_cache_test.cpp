// Names of models in the local Hugging Face cache.
#include "app/hub_cache.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "lib/core/error.h"
#include "tests/app/run_eet.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

const std::string kCommit(40, 'a');
const std::string kOther(40, 'b');

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

// A cache as huggingface_hub lays it out: blobs, and links to them in snapshots.
fs::path make_cache(const TempDirectory& dir) {
  fs::path cache = dir.file("hub");
  const fs::path model = cache / "models--org--tiny.model";
  write(model / "refs/main", kCommit);
  write(model / "refs/v1.0", kOther + "\n");
  write(model / "blobs/123", "{}");
  for (const std::string& commit : {kCommit, kOther}) {
    const fs::path snapshot = model / "snapshots" / commit;
    fs::create_directories(snapshot);
    fs::create_symlink("../../blobs/123", snapshot / "config.json");
  }
  write(cache / "models--gpt2/refs/main", kCommit);
  fs::create_directories(cache / "models--gpt2/snapshots" / kCommit);
  return cache;
}

// A variable of the environment while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST_CASE("a name leads to the snapshot that its branch, tag or commit stands for") {
  const TempDirectory dir;
  const fs::path cache = make_cache(dir);
  const fs::path snapshots = cache / "models--org--tiny.model/snapshots";
  CHECK(find_snapshot(cache, "org/tiny.model") == snapshots / kCommit);
  CHECK(find_snapshot(cache, "org/tiny.model@main") == snapshots / kCommit);
  CHECK(find_snapshot(cache, "org/tiny.model@v1.0") == snapshots / kOther);
  CHECK(find_snapshot(cache, "org/tiny.model@" + kOther) == snapshots / kOther);
  CHECK(find_snapshot(cache, "gpt2") == cache / "models--gpt2/snapshots" / kCommit);
}

TEST_CASE("what is not in the cache, or no name of a model, leads nowhere") {
  const TempDirectory dir;
  const fs::path cache = make_cache(dir);
  write(cache / "models--org--escape/refs/main", "../../../../etc");
  write(cache / "models--org--gone/refs/main", kCommit);
  for (const std::string& name :
       {std::string("org/none"), std::string("none"), std::string(), std::string("/"),
        std::string("org/"), std::string("org/tiny.model@none"), std::string("org/tiny.model@"),
        std::string("org/tiny.model@../refs/main"), std::string("../org/tiny.model"),
        std::string("org/../tiny.model"), std::string("a/b/c"), std::string("org/escape"),
        std::string("org/gone"), std::string("org--tiny.model/x"), std::string(200, 'a')}) {
    CAPTURE(name);
    CHECK_FALSE(find_snapshot(cache, name));
  }
  CHECK_FALSE(find_snapshot(dir.file("no-cache"), "org/tiny.model"));
}

TEST_CASE("a snapshot whose files lie outside of the cache is refused") {
  const TempDirectory dir;
  const fs::path cache = make_cache(dir);
  const fs::path snapshot = cache / "models--gpt2/snapshots" / kCommit;
  fs::create_symlink("/etc/passwd", snapshot / "config.json");
  CHECK_THROWS_WITH_AS(find_snapshot(cache, "gpt2"),
                       doctest::Contains("leads to /etc/passwd, expected a file of the cache"),
                       Error);
}

TEST_CASE("the cache is where the hub's libraries keep it") {
  const Variable home("HOME", "/h");
  const Variable cache_home("XDG_CACHE_HOME", "");
  const Variable hf_home("HF_HOME", "");
  const Variable hub("HF_HUB_CACHE", "");
  CHECK(hub_cache() == "/h/.cache/huggingface/hub");
  const Variable cache_home_set("XDG_CACHE_HOME", "/x");
  CHECK(hub_cache() == "/x/huggingface/hub");
  const Variable hf_home_set("HF_HOME", "/y");
  CHECK(hub_cache() == "/y/hub");
  const Variable hub_set("HF_HUB_CACHE", "/z");
  CHECK(hub_cache() == "/z");
}

TEST_CASE("the program runs a model by its name, and names the cache where it has none") {
  const TempDirectory dir;
  const fs::path cache = dir.file("hub");
  const fs::path repository = cache / "models--eet--tales";
  write(repository / "refs/main", kCommit);
  fs::create_directories(repository / "snapshots" / kCommit);
  for (const fs::directory_entry& file : fs::directory_iterator(sample_model("tales-llama"))) {
    fs::copy_file(file.path(), repository / "snapshots" / kCommit / file.path().filename());
  }
  const Variable hub("HF_HUB_CACHE", cache.string());
  const std::string input = dir.write("in", "{\"prompt\":\"Once\"}\n");
  const EetResult good =
      run_eet({"generate", "-m", "eet/tales", "-i", input, "-o", "-", "-q", "--device", "cpu",
               "--max-tokens", "2", "--output-format", "openai"});
  CAPTURE(good.err);
  CHECK(good.exit_code == 0);
  CHECK(good.out.find("\"model\":\"eet/tales\"") != std::string::npos);
  CHECK(run_eet({"inspect", "eet/tales"}).exit_code == 0);
  CHECK(run_eet({"tokenize", "-m", "eet/tales", "-i", input}).exit_code != 1);
  const EetResult bad = run_eet({"generate", "-m", "eet/tails", "-i", input});
  CHECK(bad.exit_code == 1);
  CHECK(bad.err.find("eet/tails: expected a model, got no such file or directory, and the Hugging "
                     "Face cache " +
                     cache.string() + " has no model of that name") != std::string::npos);
}

}  // namespace
}  // namespace eet
