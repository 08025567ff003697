// How decode attention on tensor cores takes the newest token from qkv: turned, and put where the
// copies from the cache would have put it.
#pragma once

#include <cstdint>

#include "kernels/async_copy.cuh"
#include "kernels/attention_decode.cuh"
#include "kernels/attention_decode_ring.cuh"
#include "kernels/rope.cuh"
#include "kernels/vector.cuh"

namespace eet::kernels {

// How the heads of a row turn that is appended, in the variant by rules.
struct PartTurn {
  const float* cos_sin;  // [rotary_dim / 2, 2], or null: they are turned already, or never
  int rotary_dim;
  bool interleaved;
};

// Elements [dim, dim + 8) of a head, turned where there are angles, [head_dim / 2, 2].
template <typename T>
__device__ __forceinline__ uint4 load_piece(const T* head, int dim, int head_dim,
                                            const float* cos_sin) {
  if (cos_sin == nullptr) return *reinterpret_cast<const uint4*>(head + dim);
  const Vec<T, 8> turned = load_turned<8>(head, dim, head_dim, cos_sin);
  return *reinterpret_cast<const uint4*>(&turned);
}
template <typename T>
__device__ __forceinline__ uint4 load_piece(const T* head, int dim, int /*head_dim*/,
                                            const PartTurn& turn) {
  if (turn.cos_sin == nullptr || dim >= turn.rotary_dim) {
    return *reinterpret_cast<const uint4*>(head + dim);
  }
  const Vec<T, 8> turned =
      load_turned_part<8>(head, dim, turn.rotary_dim, turn.interleaved, turn.cos_sin);
  return *reinterpret_cast<const uint4*>(&turned);
}

// How the row's newest token turns, at position `newest`.
template <typename T>
__device__ __forceinline__ const float* turn_of(const DecodeArgs<T>& args, const DecodeWork&,
                                                const PlainRules&, int newest, int head_dim) {
  const float* cos_sin = nullptr;
  if (args.append.rope_table != nullptr) {
    cos_sin = args.append.rope_table + static_cast<int64_t>(newest) * head_dim;
  }
  return cos_sin;
}
template <typename T>
__device__ __forceinline__ PartTurn turn_of(const DecodeArgs<T>&, const RuledWork& work,
                                            const LayerRules& rules, int newest, int) {
  const Rope& rope = rules.rope;
  if (rope.table == nullptr) return {nullptr, 0, false};
  const int64_t row = rope.rows == nullptr ? newest : rope.rows[work.row];
  return {rope.table + row * rope.rotary_dim, rope.rotary_dim, rope.interleaved};
}

// Whether the block is the one of its key head that stores the newest token.
__device__ __forceinline__ bool stores_newest(const DecodeWork&, int) {
  return true;
}
__device__ __forceinline__ bool stores_newest(const RuledWork& work, int group) {
  return work.first_head == work.kv_head * group;
}

// Moves the key and value of a row's newest token from qkv to the cache, for the steps to come, and
// to `pieces`, [2, kDim / 8] of shared memory: one warp's work.
template <int kDim, typename T, typename Work, typename Turn>
__device__ __forceinline__ void fetch_newest(uint4* pieces, const DecodeArgs<T>& args,
                                             const Work& work, int64_t offset, const Turn& turn,
                                             int lane) {
  const int head_dim = args.heads.head_dim;
  const int dim = 8 * lane;
  if (dim >= head_dim) return;
  const T* key = args.qkv + work.row * qkv_stride(args.heads) +
                 static_cast<int64_t>(args.heads.num_heads + work.kv_head) * head_dim;
  const T* value = key + static_cast<int64_t>(args.heads.num_kv_heads) * head_dim;
  const uint4 key_piece = load_piece(key, dim, head_dim, turn);
  const uint4 value_piece = load_piece(value, dim, head_dim, static_cast<const float*>(nullptr));
  pieces[lane] = key_piece;
  pieces[kDim / 8 + lane] = value_piece;
  if (!stores_newest(work, args.group)) return;
  *reinterpret_cast<uint4*>(args.append.keys + offset + dim) = key_piece;
  *reinterpret_cast<uint4*>(args.append.values + offset + dim) = value_piece;
}

// Puts them in the last tile; all lanes of the tile's warp call this.
template <int kDim>
__device__ __forceinline__ void put_newest(uint32_t slot, const uint4* pieces, bool is_value,
                                           int token, int head_dim, int lane) {
  if (8 * lane < head_dim) {
    store_shared(slot + 16 * place(token, lane), pieces[(is_value ? kDim / 8 : 0) + lane]);
  }
  __syncwarp();
}

}  // namespace eet::kernels
