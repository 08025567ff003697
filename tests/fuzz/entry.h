// What every fuzz target has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string_view>

// Reads `size` bytes as a file or text from anywhere. Returns whatever they are; an exception that
// is no refusal, a failed expect() or a sanitizer's report is a finding.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace eet {

// Bytes of the input, taken from its front.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }

  // 0 at the end.
  uint8_t byte() {
    if (empty()) return 0;
    const auto first = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return first;
  }

  // At most `count` bytes.
  std::string_view bytes(size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// Ends the program, as a finding, unless `holds`.
inline void expect(bool holds, std::string_view what) {
  if (holds) return;
  std::cerr << "expected " << what << std::endl;
  std::abort();
}

}  // namespace eet
