// A unit of Darts-clone's double array (https://github.com/s-yata/darts-clone), which SentencePiece
// keeps its normalisation rules in.
#pragma once

#include <cstdint>

namespace eet {

struct DartsUnit {
  uint32_t bits = 0;
  bool has_leaf() const { return (bits >> 8 & 1) != 0; }
  uint32_t value() const { return bits & 0x7FFFFFFF; }
  uint32_t label() const { return bits & 0x800000FF; }
  uint32_t offset() const { return bits >> 10 << ((bits & 0x200) >> 6); }
};

}  // namespace eet
