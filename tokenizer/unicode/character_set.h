// A set of characters that answers in two memory reads.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace eet {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

class CharacterSet {
 public:
  // `ranges` may come in any order and overlap.
  explicit CharacterSet(std::span<const CodePointRange> ranges);

  bool contains(char32_t c) const {
    return c <= kLast && (blocks_[index_[c / kBlock]][c % kBlock / 64] >> c % 64 & 1) != 0;
  }

 private:
  static constexpr char32_t kLast = 0x10FFFF;
  static constexpr char32_t kBlock = 256;
  using Block = std::array<uint64_t, kBlock / 64>;

  std::vector<uint16_t> index_;  // by code point / kBlock
  std::vector<Block> blocks_;    // different from each other
};

}  // namespace eet
