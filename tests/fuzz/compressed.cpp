// Compressed input: any bytes are decompressed or refused, in fixed memory, and do not go on for
// ever.
#include <array>

#include "app/job/input/decompressor.h"
#include "tests/fuzz/entry.h"
#include "tests/fuzz/large_windows.h"

namespace eet {
namespace {

void decompress(Compression compression, std::string_view data) {
  constexpr size_t kMaxSteps = 10'000;  // a bomb is cut short
  const std::unique_ptr<Decompressor> decompressor = make_decompressor(compression);
  std::array<char, 4096> out{};
  std::span<const char> in(data);
  for (size_t steps = 0; steps < kMaxSteps; ++steps) {
    const Decompressor::Step step = decompressor->step(in, out);
    expect(step.consumed <= in.size() && step.produced <= out.size(), "a step within its bounds");
    in = in.subspan(step.consumed);
    if (step.consumed == 0 && step.produced == 0) return;
  }
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  for (const Compression compression : {Compression::kGzip, Compression::kXz, Compression::kZstd}) {
    try {
      decompress(compression, FuzzInput(data, size).rest());
    } catch (const CorruptData&) {
      continue;
    }
  }
  return 0;
}
