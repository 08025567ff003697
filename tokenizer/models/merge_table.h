// The merges of byte-pair encoding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eet {

// Which neighbouring symbols become one, and which of them first. Building is single-threaded;
// afterwards any number of threads may merge.
class MergeTable {
 public:
  // Room for `count` merges.
  explicit MergeTable(size_t count);

  // Symbols `left` and `right` become `merged`; lower `rank` goes first. A pair that is there
  // already takes the new rank, as in Hugging Face tokenizers.
  void add(int32_t left, int32_t right, uint32_t rank, int32_t merged);

  // Merges the symbols of one word in place, always the pair of lowest rank, the leftmost among
  // equals, until no pair is left. O(n log n) for long words.
  void merge(std::vector<int32_t>& symbols) const;

 private:
  struct Entry {
    uint64_t pair = kEmpty;
    uint32_t rank = 0;
    int32_t merged = 0;
  };
  static constexpr uint64_t kEmpty = ~0ull;

  static uint64_t pair_key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t pair) const;
  const Entry* find(int32_t left, int32_t right) const;
  void merge_short(std::vector<int32_t>& symbols) const;
  void merge_long(std::vector<int32_t>& symbols) const;

  std::vector<Entry> entries_;  // open addressing, at most half full; a power of two
};

}  // namespace eet
