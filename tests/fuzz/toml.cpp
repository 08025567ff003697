// A file of flags.
#include "app/cli/toml.h"

#include "lib/core/error.h"
#include "tests/fuzz/entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  try {
    int last_line = 1;
    for (const TomlEntry& entry : read_toml(FuzzInput(data, size).rest(), "fuzz")) {
      expect(entry.line >= last_line, "entries in the order of their lines");
      last_line = entry.line;
    }
  } catch (const Error&) {
  }
  return 0;
}
