// The cache of fingerprints, which any program may have written to.
#include "app/fingerprint_cache.h"

#include "tests/fuzz/memory_directory.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  static const MemoryDirectory directory;
  directory.write("cache", FuzzInput(data, size).rest());
  directory.write("model", "weights");
  const std::filesystem::path cache = directory.path() / "cache";
  const std::filesystem::path model = directory.path() / "model";
  constexpr FileIdentity kFile = {1, 2, 3, 4, 5};
  constexpr Hash128 kHash = {6, 7};
  FingerprintCache first(cache);
  first.find(model, kFile);
  first.add(model, kFile, kHash);
  first.save();
  expect(FingerprintCache(cache).find(model, kFile) == kHash, "what was added");
  return 0;
}
