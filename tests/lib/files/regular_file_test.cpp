#include "lib/files/regular_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/app/temp_directory.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLimit = 100;

std::string refusal(const fs::path& path, Links links = Links::kInsideFolder) {
  try {
    return "read: " + read_regular_file(path, kLimit, links);
  } catch (const FileError& error) {
    return error.what();
  }
}

bool says(const std::string& message, const char* expected) {
  return message.find(expected) != std::string::npos;
}

TEST_CASE("a regular file is read whole, up to the limit") {
  const TempDirectory dir;
  CHECK(refusal(dir.write("a", "text")) == "read: text");
  CHECK(refusal(dir.write("b", "")) == "read: ");
  CHECK(refusal(dir.write("c", std::string(kLimit, 'x'))).size() == 6 + kLimit);
  CHECK(says(refusal(dir.write("d", std::string(kLimit + 1, 'x'))),
             "expected a file of at most 100 bytes, got 101"));
}

TEST_CASE("what is no regular file is refused at once") {
  const TempDirectory dir;
  ::mkfifo(dir.file("pipe").c_str(), 0666);
  fs::create_directory(dir.file("directory"));
  fs::create_symlink("/dev/zero", dir.file("zero"));
  CHECK(says(refusal(dir.file("pipe")), "expected a regular file"));
  CHECK(says(refusal(dir.file("directory")), "expected a regular file"));
  CHECK(says(refusal(dir.file("zero")), "expected a regular file"));
  CHECK(says(refusal("/dev/zero", Links::kAnywhere), "expected a regular file"));
  CHECK(says(refusal(dir.file("none")), "cannot open: No such file"));
}

TEST_CASE("links are followed inside the folder only") {
  const TempDirectory dir;
  fs::create_directories(dir.file("model/part"));
  dir.write("secret", "secret");
  dir.write("model/config", "config");
  fs::create_symlink("config", dir.file("model/inside"));
  fs::create_symlink("../secret", dir.file("model/outside"));
  fs::create_symlink("outside", dir.file("model/twice"));
  fs::create_symlink("nothing", dir.file("model/dangling"));
  fs::create_symlink("loop", dir.file("model/loop"));
  CHECK(refusal(dir.file("model/inside")) == "read: config");
  CHECK(says(refusal(dir.file("model/outside")), "which is outside"));
  CHECK(says(refusal(dir.file("model/twice")), "which is outside"));
  CHECK(refusal(dir.file("model/outside"), Links::kAnywhere) == "read: secret");
  CHECK(says(refusal(dir.file("model/dangling")), "cannot open"));
  CHECK(says(refusal(dir.file("model/loop")), "cannot open"));
}

TEST_CASE("a folder that is itself reached by a link is as good as any") {
  const TempDirectory dir;
  fs::create_directories(dir.file("store/model"));
  dir.write("store/model/config", "config");
  fs::create_symlink("config", dir.file("store/model/link"));
  fs::create_symlink("store/model", dir.file("model"));
  CHECK(refusal(dir.file("model/config")) == "read: config");
  CHECK(refusal(dir.file("model/link")) == "read: config");
}

TEST_CASE("a snapshot of Hugging Face's cache links to the blobs of its model, and no others") {
  const TempDirectory dir;
  fs::create_directories(dir.file("hub/models--org--name/snapshots/abc/sub"));
  fs::create_directories(dir.file("hub/models--org--name/blobs"));
  fs::create_directories(dir.file("hub/models--org--other/blobs"));
  dir.write("hub/models--org--name/blobs/1", "blob");
  dir.write("hub/models--org--other/blobs/1", "other");
  const std::string snapshot = "hub/models--org--name/snapshots/abc/";
  fs::create_symlink("../../blobs/1", dir.file(snapshot + "config.json"));
  fs::create_symlink("../../../blobs/1", dir.file(snapshot + "sub/config.json"));
  fs::create_symlink("../../../models--org--other/blobs/1", dir.file(snapshot + "other.json"));
  CHECK(refusal(dir.file(snapshot + "config.json")) == "read: blob");
  CHECK(refusal(dir.file(snapshot + "sub/config.json")) == "read: blob");
  CHECK(says(refusal(dir.file(snapshot + "other.json")), "which is outside"));
}

TEST_CASE("a file that becomes shorter is an error, and its identity tells that it changed") {
  const TempDirectory dir;
  const std::string path = dir.write("file", "0123456789");
  const RegularFile file(path);
  CHECK(file.identity() == file.identity_now());
  fs::resize_file(path, 5);
  CHECK(file.identity() != file.identity_now());
  std::string bytes(10, '\0');
  CHECK_THROWS_WITH_AS(file.read(0, bytes),
                       (path + ": the file became shorter while it was read").c_str(), FileError);
}

}  // namespace
}  // namespace eet
