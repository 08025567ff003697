#include "tokenizer/unicode/character_set.h"

#include <algorithm>
#include <map>

namespace eet {

CharacterSet::CharacterSet(std::span<const CodePointRange> ranges) {
  std::vector<Block> all((kLast + 1) / kBlock, Block{});
  for (const CodePointRange& range : ranges) {
    for (char32_t c = range.first; c <= std::min(range.last, kLast); ++c) {
      all[c / kBlock][c % kBlock / 64] |= uint64_t{1} << c % 64;
    }
  }
  std::map<Block, uint16_t> known;
  index_.reserve(all.size());
  for (const Block& block : all) {
    const auto [found, is_new] = known.try_emplace(block, static_cast<uint16_t>(blocks_.size()));
    if (is_new) blocks_.push_back(block);
    index_.push_back(found->second);
  }
}

}  // namespace eet
