// How rows choose experts, and how the chosen (row, expert) pairs lie in memory; plain C++, for
// both sides.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/contract/host_device.h"
#include "kernels/contract/top_k.h"

namespace eet {

inline constexpr int kMaxExperts = 512;
inline constexpr int kMaxTopK = 16;
inline constexpr float kMinWeightSum = 1e-20F;

// The scores that rank experts, of a row's router logits, in fp32.
enum class RouterScores {
  kSoftmax,      // softmax over all experts (Mixtral, Qwen-MoE, OLMoE)
  kTopKSoftmax,  // the logits; the weights are the softmax over the chosen ones (gpt-oss, Granite)
  kSigmoid,      // the sigmoid of each logit (DeepSeek-V3)
};

struct RouterRules {
  RouterScores scores = RouterScores::kSoftmax;
  int num_experts = 0;     // at most kMaxExperts
  int top_k = 0;           // at most kMaxTopK and num_experts
  bool normalise = false;  // the weights of a row are divided by kMinWeightSum + their sum
  float scale = 1.0F;      // then multiplied by this
};

// The pairs [begin, begin + count) of the sorted order, all of one expert.
struct ExpertTile {
  int32_t expert;
  int32_t begin;
  int32_t count;
  int32_t unused;
};

// The pairs of a pass. Pair p is slot p % top_k of row p / top_k. All arrays are device memory.
struct ExpertGroups {
  int num_rows = 0;
  int num_experts = 0;
  int top_k = 0;
  int tile_rows = 0;           // pairs in a tile, at most
  int32_t* experts = nullptr;  // [num_rows, top_k]; -1 for idle rows, which are in no group
  float* weights = nullptr;    // [num_rows, top_k]; 0 for idle rows
  // The pairs in ascending order of (expert, pair): expert e has [offsets[e], offsets[e + 1]).
  // Entries from offsets[num_experts] on may be anything.
  int32_t* offsets = nullptr;  // [num_experts + 1]
  int32_t* pairs = nullptr;    // [num_rows * top_k]
  // Each expert's pairs cut into tiles, in that order, for the matrix products of a GPU.
  int32_t* num_tiles = nullptr;  // [1]
  ExpertTile* tiles = nullptr;   // [max_tiles()]

  int64_t num_pairs() const { return int64_t{num_rows} * top_k; }
  // The full tiles, and one more for each expert that has pairs.
  int64_t max_tiles() const {
    return num_pairs() / tile_rows + std::min<int64_t>(num_experts, num_pairs());
  }
};

// The pairs in a tile: the smallest size that most experts' pairs fit into, so that few weights are
// read twice and few products are of nothing. The choice changes no bit of a result. Tiles that are
// not full cost less from 64 pairs to 64 (expert_gemm_wgmma.cu).
constexpr int expert_tile_rows(int64_t num_rows, int top_k, int num_experts) {
  const int64_t usual = std::min(num_rows, 2 * ceil_div<int64_t>(num_rows * top_k, num_experts));
  return usual <= 16 ? 16 : usual <= 32 ? 32 : usual <= 64 ? 64 : usual <= 128 ? 128 : 192;
}
inline constexpr int kMinExpertTileRows = 16;

}  // namespace eet
