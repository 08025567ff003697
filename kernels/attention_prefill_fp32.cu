// Prefill attention in fp32, on plain multiply-adds.
//
// 16 x 16 threads; thread (x, y) computes the scores of queries y + 16i and keys x + 16j, and of
// the same queries the values at dimensions 4x + 64j (+3). Keys and values take turns in one tile.
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
constexpr int kFloatRows = kFloatQueries / kFloatSide;                // queries of a thread
constexpr int kFloatKeys = kKeyTile / kFloatSide;                     // keys of a thread
constexpr int kFloatQuads = kMaxAttentionHeadDim / (4 * kFloatSide);  // runs of 4 dimensions
constexpr int kWeightStride = kKeyTile + 4;

// Elements between rows in shared memory: an odd count of 16-byte pieces.
__host__ __device__ constexpr int float_stride(int head_dim) {
  return head_dim + 4;
}

__global__ void __launch_bounds__(kFloatThreads)
    prefill_float_kernel(const PrefillArgs<float> args) {
  extern __shared__ uint4 shared[];
  const QueryTile tile = find_queries<kFloatQueries>(args);
  if (tile.num_pads == tile.num_tokens) {
    write_zeros(args, tile);
    return;
  }
  const int head_dim = args.heads.head_dim;
  const int stride = float_stride(head_dim);
  const int x = static_cast<int>(threadIdx.x) % kFloatSide;
  const int y = static_cast<int>(threadIdx.x) / kFloatSide;
  float* queries = reinterpret_cast<float*>(shared);  // [kFloatQueries, stride]
  float* cached = queries + kFloatQueries * stride;   // [kKeyTile, stride]
  float* weights = cached + kKeyTile * stride;        // [kFloatQueries, kWeightStride]

  const int32_t* page_ids = row_pages(args.kv, static_cast<int>(blockIdx.z));
  const CopyPlan plan(head_dim / 4, kFloatThreads);
  const int stride_bytes = stride * static_cast<int>(sizeof(float));
  const float scale_log2 = args.heads.scale * kLog2E;
  const auto load_tile = [&](const float* pages, int key) {
    copy_cached(shared_address(cached), stride_bytes, pages, page_ids, key, tile, args.heads, plan);
    commit_copies();
    wait_copies<0>();
    __syncthreads();
  };

  float maximum[kFloatRows];
  float sum[kFloatRows];  // of this thread's keys
#pragma unroll
  for (int i = 0; i < kFloatRows; ++i) {
    maximum[i] = kNegativeInfinity;
    sum[i] = 0.0F;
  }
  Vec<float, 4> values[kFloatRows][kFloatQuads] = {};

  copy_queries<kFloatQueries>(shared_address(queries), stride_bytes, args, tile, plan);
  const int num_tiles = tile.num_key_tiles();
  for (int t = 0; t < num_tiles; ++t) {
    const int key = t * kKeyTile;
    load_tile(args.kv.keys, key);
    float scores[kFloatRows][kFloatKeys] = {};
    for (int dim = 0; dim < head_dim; dim += 4) {
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
    float rescale[kFloatRows];
#pragma unroll
    for (int i = 0; i < kFloatRows; ++i) {
      const int last = tile.last_key(y + kFloatSide * i) - key;
      float tile_maximum = kNegativeInfinity;
#pragma unroll
      for (int j = 0; j < kFloatKeys; ++j) {
        scores[i][j] = x + kFloatSide * j > last ? kNegativeInfinity : scores[i][j] * scale_log2;
        tile_maximum = fmaxf(tile_maximum, scores[i][j]);
      }
      const float new_maximum = fmaxf(maximum[i], lanes_max<kFloatSide>(tile_maximum));
      rescale[i] = exp2_fast(maximum[i] - new_maximum);
      maximum[i] = new_maximum;
      sum[i] *= rescale[i];
#pragma unroll
      for (int j = 0; j < kFloatKeys; ++j) {
        const float weight = exp2_fast(scores[i][j] - new_maximum);
        sum[i] += weight;
        weights[(y + kFloatSide * i) * kWeightStride + x + kFloatSide * j] = weight;
      }
    }
    __syncthreads();  // the keys are read, the weights are there
    load_tile(args.kv.values, key);
#pragma unroll
    for (int i = 0; i < kFloatRows; ++i) {
#pragma unroll
      for (int j = 0; j < kFloatQuads; ++j) {
#pragma unroll
        for (int n = 0; n < 4; ++n) values[i][j].value[n] *= rescale[i];
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
        if (dim >= head_dim) break;
#pragma unroll
        for (int m = 0; m < 4; ++m) {
          const auto v = load_vec<4>(cached + (k + m) * stride + dim);
#pragma unroll
          for (int i = 0; i < kFloatRows; ++i) {
#pragma unroll
            for (int n = 0; n < 4; ++n) {
              values[i][j].value[n] += weight[i].value[m] * v.value[n];
            }
          }
        }
      }
    }
    __syncthreads();  // the values and the weights are read
  }

#pragma unroll
  for (int i = 0; i < kFloatRows; ++i) {
    const float inverse = 1.0F / lanes_sum<kFloatSide>(sum[i]);
    const int query = y + kFloatSide * i;
    if (query >= tile.num_tokens) continue;
#pragma unroll
    for (int j = 0; j < kFloatQuads; ++j) {
      const int dim = 4 * x + 4 * kFloatSide * j;
      if (dim >= head_dim) break;
      Vec<float, 4> result = values[i][j];
#pragma unroll
      for (int n = 0; n < 4; ++n) result.value[n] *= tile.is_real(query) ? inverse : 0.0F;
      store_vec<4>(args.out + out_offset(tile, query, args.heads) + dim, result);
    }
  }
}

}  // namespace

void launch_prefill_fp32(const PrefillArgs<float>& args, int num_rows, int max_query_len,
                         cudaStream_t stream) {
  const int shared_bytes =
      static_cast<int>(((kFloatQueries + kKeyTile) * float_stride(args.heads.head_dim) +
                        kFloatQueries * kWeightStride) *
                       sizeof(float));
  CUDA_CHECK(cudaFuncSetAttribute(prefill_float_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  shared_bytes));
  const dim3 grid(static_cast<unsigned>(ceil_div(max_query_len, kFloatQueries)),
                  static_cast<unsigned>(args.heads.num_heads), static_cast<unsigned>(num_rows));
  prefill_float_kernel<<<grid, kFloatThreads, shared_bytes, stream>>>(args);
  CUDA_CHECK_LAUNCH();
}

}  // namespace eet::kernels
