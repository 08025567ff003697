// A canonical tensor put together from the parts of it that files hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/model/config.h"
#include "lib/model/weights.h"
#include "weights_tools/formats/safetensors.h"

namespace eet {

// How a stored tensor lies in comparison with its rows of the canonical one.
enum class SourceLayout {
  kSame,
  kTransposed,  // stored [in, out], as the Conv1D of GPT-2
  // Of q, k and v: rows of each head of q and k pair 2i with 2i+1 for RoPE; canonical pairs i with
  // i + head_dim/2.
  kInterleavedPairs,
  // Rows of each key head: its queries, its key, its value; canonical: all q, all k, all v.
  kGroupedQkv,
  kHeadRows,                    // a vector stored as [heads, head_dim]
  kOneRow,                      // a matrix of one row stored as a vector
  kInterleavedGates,            // rows of gate and up take turns; canonical: all of gate, all of up
  kTransposedInterleavedGates,  // the same, stored [in, out]
};

// Elements of a stored tensor that give some rows of a canonical one.
struct Source {
  std::string name;
  std::vector<int64_t> shape;   // canonical: of these rows, a vector or a matrix
  std::vector<int64_t> stored;  // of the whole stored tensor
  SourceLayout layout = SourceLayout::kSame;
  int64_t first = 0;  // of the stored elements

  int64_t numel() const;
};

// A source and the stored tensor found for it.
struct StoredPart {
  Source source;
  StoredTensor stored;
};

// The type all parts share, or fp32, which holds every value of the others.
DType common_dtype(const std::vector<StoredPart>& parts);

// Bytes of so many elements of a stored tensor: whole rows, so whole blocks of a packed one.
size_t stored_bytes(const StoredTensor& stored, int64_t elements);

// The tensor of this shape whose rows the parts give one after another: as they lie in their files
// where that is `dtype` in the canonical layout, else rearranged. `heads` says how rows of q, k and
// v belong together.
HostTensor join_parts(const std::vector<StoredPart>& parts, std::vector<int64_t> shape, DType dtype,
                      const AttentionConfig& heads);

}  // namespace eet
