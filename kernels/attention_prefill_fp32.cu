// Prefill attention in fp32, on plain multiply-adds.
//
// 16 x 16 threads; thread (x, y) computes the scores of queries y + 16i and keys x + 16j, and of
// the same queries the values at dimensions 4x + 64j (+3). Keys and values take turns in one tile.
// Shared memory holds up to 256 dimensions: those of larger heads, which the variant by rules has,
// come in chunks.
#include <algorithm>
#include <type_traits>

#include "kernels/async_copy.cuh"
#include "kernels/attention.cuh"
#include "kernels/attention_prefill.cuh"
#include "kernels/contract/host_device.h"
#include "kernels/cuda_check.h"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kFloatSide = 16;
constexpr int kFloatThreads = kFloatSide * kFloatSide;
constexpr int kFloatQueries = 64;
constexpr int kFloatRows = kFloatQueries / kFloatSide;  // queries of a thread
constexpr int kFloatKeys = kKeyTile / kFloatSide;       // keys of a thread
constexpr int kChunk = kMaxPlainHeadDim;
constexpr int kFloatQuads = kChunk / (4 * kFloatSide);  // runs of 4 dimensions in a chunk
constexpr int kWeightStride = kKeyTile + 4;

// Elements between rows in shared memory: an odd count of 16-byte pieces.
__host__ __device__ constexpr int float_stride(int head_dim) {
  return head_dim + 4;
}

template <typename Rules>
__global__ void __launch_bounds__(kFloatThreads)
    prefill_float_kernel(const PrefillArgs<float> args, const Rules rules) {
  constexpr bool kIsPlain = std::is_same_v<Rules, NoScoreRules>;
  constexpr int kChunks = kIsPlain ? 1 : kMaxAttentionHeadDim / kChunk;
  extern __shared__ uint4 shared[];
  const QueryTile tile = find_queries<kFloatQueries>(args);
  if (tile.num_pads == tile.num_tokens) {
    write_zeros(args, tile);
    return;
  }
  const int head_dim = args.heads.head_dim;
  const int stride = float_stride(kIsPlain ? head_dim : min(head_dim, kChunk));
  const int x = static_cast<int>(threadIdx.x) % kFloatSide;
  const int y = static_cast<int>(threadIdx.x) / kFloatSide;
  float* queries = reinterpret_cast<float*>(shared);  // [kFloatQueries, stride]
  float* cached = queries + kFloatQueries * stride;   // [kKeyTile, stride]
  float* weights = cached + kKeyTile * stride;        // [kFloatQueries, kWeightStride]

  const int32_t* page_ids = row_pages(args.kv, static_cast<int>(blockIdx.z));
  const CopyPlan plan((kIsPlain ? head_dim : min(head_dim, kChunk)) / 4, kFloatThreads);
  const int stride_bytes = stride * static_cast<int>(sizeof(float));
  const float scale_log2 = args.heads.scale * kLog2E;
  float slope = 0.0F;
  if constexpr (!kIsPlain) slope = slope_log2(rules, tile.head);
  const auto load_tile = [&](const float* pages, int key, int first_dim) {
    copy_cached(shared_address(cached), stride_bytes, pages, page_ids, key, tile, args.heads, plan,
                first_dim);
    commit_copies();
    wait_copies<0>();
    __syncthreads();
  };

  // In powers of two, of the product q·k of a query of the tile and a key.
  const auto score_of = [&](float product, int query, int key) {
    if constexpr (kIsPlain) {
      return key > tile.last_key(query) ? kNegativeInfinity : product * scale_log2;
    } else {
      const ScoreShape<float> shape(rules, args.heads.scale);
      const bool is_visible = key <= tile.last_key(query) && key >= first_key(rules, tile, query);
      return is_visible ? shape(product, slope, key - (tile.position + query)) : kNegativeInfinity;
    }
  };

  float maximum[kFloatRows];
  float sum[kFloatRows];  // of this thread's keys
#pragma unroll
  for (int i = 0; i < kFloatRows; ++i) {
    maximum[i] = kNegativeInfinity;
    sum[i] = 0.0F;
  }
  Vec<float, 4> values[kChunks][kFloatRows][kFloatQuads] = {};

  const auto load_queries = [&](int first_dim) {
    copy_queries<kFloatQueries>(shared_address(queries), stride_bytes, args, tile, plan, first_dim);
  };
  // Adds the products of `num_dims` dimensions that are in shared memory.
  const auto add_products = [&](float(&scores)[kFloatRows][kFloatKeys], int num_dims) {
    for (int dim = 0; dim < num_dims; dim += 4) {
      Vec<float, 4> k[kFloatKeys];
#pragma unroll
      for (int j = 0; j < kFloatKeys; ++j) {
        k[j] = load_vec<4>(cached + (x + kFloatSide * j) * stride + dim);
      }
#pragma unroll
      for (int i = 0; i < kFloatRows; ++i) {
        const auto q = load_vec<4>(queries + (y + kFloatSide * i) * stride + dim);
#pragma unroll
        for (int j = 0; j < kFloatKeys; ++j) {
#pragma unroll
          for (int n = 0; n < 4; ++n) scores[i][j] += q.value[n] * k[j].value[n];
        }
      }
    }
  };

  if (kIsPlain || head_dim <= kChunk) load_queries(0);
  const int num_tiles = tile.num_key_tiles();
  for (int t = first_key_tile(rules, tile); t < num_tiles; ++t) {
    const int key = t * kKeyTile;
    float scores[kFloatRows][kFloatKeys] = {};
    if (kIsPlain || head_dim <= kChunk) {
      load_tile(args.kv.keys, key, 0);
      add_products(scores, head_dim);
    } else {
      for (int first_dim = 0; first_dim < head_dim; first_dim += kChunk) {
        if (first_dim > 0) __syncthreads();  // the last chunk is read
        load_queries(first_dim);
        load_tile(args.kv.keys, key, first_dim);
        add_products(scores, min(kChunk, head_dim - first_dim));
      }
    }
    float rescale[kFloatRows];
#pragma unroll
    for (int i = 0; i < kFloatRows; ++i) {
      const int query = y + kFloatSide * i;
      float tile_maximum = kNegativeInfinity;
#pragma unroll
      for (int j = 0; j < kFloatKeys; ++j) {
        scores[i][j] = score_of(scores[i][j], query, key + x + kFloatSide * j);
        tile_maximum = fmaxf(tile_maximum, scores[i][j]);
      }
      const float new_maximum = fmaxf(maximum[i], lanes_max<kFloatSide>(tile_maximum));
      const float shift = softmax_shift(rules, new_maximum);
      rescale[i] = exp2_fast(maximum[i] - shift);
      maximum[i] = new_maximum;
      sum[i] *= rescale[i];
#pragma unroll
      for (int j = 0; j < kFloatKeys; ++j) {
        const float weight = exp2_fast(scores[i][j] - shift);
        sum[i] += weight;
        weights[(y + kFloatSide * i) * kWeightStride + x + kFloatSide * j] = weight;
      }
    }
    __syncthreads();  // the keys are read, the weights are there
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      const int num_dims = head_dim - c * kChunk;
      if (num_dims <= 0) break;
      load_tile(args.kv.values, key, c * kChunk);
#pragma unroll
      for (int i = 0; i < kFloatRows; ++i) {
#pragma unroll
        for (int j = 0; j < kFloatQuads; ++j) {
#pragma unroll
          for (int n = 0; n < 4; ++n) values[c][i][j].value[n] *= rescale[i];
        }
      }
      for (int k = 0; k < kKeyTile; k += 4) {
        Vec<float, 4> weight[kFloatRows];
#pragma unroll
        for (int i = 0; i < kFloatRows; ++i) {
          weight[i] = load_vec<4>(weights + (y + kFloatSide * i) * kWeightStride + k);
        }
#pragma unroll
        for (int j = 0; j < kFloatQuads; ++j) {
          const int dim = 4 * x + 4 * kFloatSide * j;
          if (dim >= num_dims) break;
#pragma unroll
          for (int m = 0; m < 4; ++m) {
            const auto v = load_vec<4>(cached + (k + m) * stride + dim);
#pragma unroll
            for (int i = 0; i < kFloatRows; ++i) {
#pragma unroll
              for (int n = 0; n < 4; ++n) {
                values[c][i][j].value[n] += weight[i].value[m] * v.value[n];
              }
            }
          }
        }
      }
      __syncthreads();  // the values and the weights are read
    }
  }

#pragma unroll
  for (int i = 0; i < kFloatRows; ++i) {
    const float inverse = inverse_sum(rules, tile, maximum[i], lanes_sum<kFloatSide>(sum[i]));
    const int query = y + kFloatSide * i;
    if (query >= tile.num_tokens) continue;
#pragma unroll
    for (int quad = 0; quad < kChunks * kFloatQuads; ++quad) {
      const int dim = 4 * x + 4 * kFloatSide * quad;
      if (dim >= head_dim) break;
      Vec<float, 4> result = values[quad / kFloatQuads][i][quad % kFloatQuads];
#pragma unroll
      for (int n = 0; n < 4; ++n) result.value[n] *= tile.is_real(query) ? inverse : 0.0F;
      store_vec<4>(args.out + out_offset(tile, query, args.heads) + dim, result);
    }
  }
}

}  // namespace

template <typename Rules>
void launch_prefill_fp32(const PrefillArgs<float>& args, const Rules& rules, int num_rows,
                         int max_query_len, cudaStream_t stream) {
  const int shared_dims = std::min(args.heads.head_dim, kChunk);
  const int shared_bytes = static_cast<int>(
      ((kFloatQueries + kKeyTile) * float_stride(shared_dims) + kFloatQueries * kWeightStride) *
      sizeof(float));
  const auto kernel = prefill_float_kernel<Rules>;
  CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  const dim3 grid(static_cast<unsigned>(ceil_div(max_query_len, kFloatQueries)),
                  static_cast<unsigned>(args.heads.num_heads), static_cast<unsigned>(num_rows));
  kernel<<<grid, kFloatThreads, shared_bytes, stream>>>(args, rules);
  CUDA_CHECK_LAUNCH();
}

template void launch_prefill_fp32(const PrefillArgs<float>&, const NoScoreRules&, int, int,
                                  cudaStream_t);
template void launch_prefill_fp32(const PrefillArgs<float>&, const ScoreRules&, int, int,
                                  cudaStream_t);

}  // namespace eet::kernels
