// The Hugging Face cache: a name that may be a model's, and what a file in refs/ says.
#include "app/hub_cache.h"
#include "lib/core/error.h"
#include "tests/fuzz/memory_directory.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  namespace fs = std::filesystem;
  static const MemoryDirectory cache;
  static const fs::path repository = cache.path() / "models--org--model";
  static const bool made = fs::create_directories(repository / "refs") &&
                           fs::create_directories(repository / "snapshots" / std::string(40, 'a'));
  expect(made, "a cache");
  const std::string_view input = FuzzInput(data, size).rest();
  const size_t end = input.find('\0');
  const std::string name(input.substr(0, end));
  cache.write("models--org--model/refs/main",
              end == std::string_view::npos ? "" : input.substr(end + 1));
  for (const std::string& asked : {name, "org/model@" + name, std::string("org/model")}) {
    try {
      if (const std::optional<fs::path> snapshot = find_snapshot(cache.path(), asked)) {
        expect(snapshot->parent_path() == repository / "snapshots", "a snapshot of the model");
      }
    } catch (const Error&) {
    }
  }
  return 0;
}
