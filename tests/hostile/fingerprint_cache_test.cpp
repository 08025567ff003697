#include "app/fingerprint_cache.h"

#include <doctest/doctest.h>

#include "tests/app/temp_directory.h"

namespace eet {
namespace {

constexpr FileIdentity kFile = {1, 2, 3, 4, 5};
constexpr Hash128 kHash = {6, 7};

TEST_CASE("a hash is found for the same path and identity only, also by the next program") {
  const TempDirectory dir;
  const std::string file = dir.write("model", "weights");
  const std::string path = dir.file("cache/eet/fingerprints");
  FingerprintCache cache(path);
  cache.add(file, kFile, kHash);
  cache.save();
  const FingerprintCache next(path);
  CHECK(next.find(file, kFile) == kHash);
  CHECK_FALSE(next.find(dir.file("other"), kFile));
  for (const FileIdentity& other :
       {FileIdentity{9, 2, 3, 4, 5}, FileIdentity{1, 9, 3, 4, 5}, FileIdentity{1, 2, 9, 4, 5},
        FileIdentity{1, 2, 3, 9, 5}, FileIdentity{1, 2, 3, 4, 9}}) {
    CHECK_FALSE(next.find(file, other));
  }
}

TEST_CASE("a file that was changed just now is not remembered") {
  const TempDirectory dir;
  const RegularFile file(dir.write("model", "weights"));
  FingerprintCache cache(dir.file("cache"));
  cache.add(file.path(), file.identity(), kHash);
  CHECK_FALSE(cache.find(file.path(), file.identity()));
}

TEST_CASE("a cache that is damaged is as if empty") {
  const TempDirectory dir;
  const std::string file = dir.write("model", "weights");
  for (const char* content : {"", "eet fingerprints 1\n", "eet fingerprints 1\n1 2 3\nx y z\n",
                              "other\n6 7 1 2 3 4 5 /model\n", "\xFF\n\n\n"}) {
    CHECK_FALSE(FingerprintCache(dir.write("cache", content)).find(file, kFile));
  }
}

}  // namespace
}  // namespace eet
