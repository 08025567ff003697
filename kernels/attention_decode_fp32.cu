// Decode attention in fp32, on plain multiply-adds: warps share the query heads and lanes the
// tokens of a tile for the scores; threads share the dimensions for the values.
#include <algorithm>

#include "kernels/async_copy.cuh"
#include "kernels/attention.cuh"
#include "kernels/attention_decode.cuh"
#include "kernels/cuda_check.h"
#include "kernels/vector.cuh"

namespace eet::kernels {
namespace {

constexpr int kFloatTile = 32;  // tokens: one per lane

// Elements between two tokens in shared memory: an odd count of 16-byte pieces, so that lanes
// reading one piece of 8 tokens each meet no bank twice.
__host__ __device__ constexpr int float_stride(int head_dim) {
  return head_dim + 4;
}

__device__ __forceinline__ void copy_float_tile(float* tile, const float* source, int head_dim,
                                                int num_tokens) {
  const int pieces = head_dim / 4;
  for (int i = static_cast<int>(threadIdx.x); i < kFloatTile * pieces; i += kDecodeThreads) {
    const int token = i / pieces;
    const int dim = i % pieces * 4;
    copy_async_16(shared_address(tile + token * float_stride(head_dim) + dim), source + i * 4,
                  token < num_tokens);
  }
}

template <typename Rules>
__global__ void __launch_bounds__(kDecodeThreads)
    decode_float_kernel(const DecodeArgs<float> args, const Rules rules) {
  constexpr int kMaxGroup = Rules::kMaxGroup;
  constexpr int kHeadsPerWarp = kMaxGroup / kDecodeWarps;
  constexpr int kDimsPerThread = Rules::kMaxHeadDim / kDecodeThreads;
  extern __shared__ uint4 shared[];
  alignas(16) __shared__ float weights[kMaxGroup][kFloatTile];
  __shared__ float rescales[kMaxGroup];
  __shared__ float2 stats[kMaxGroup];
  const auto work = find_work<kFloatTile>(args, rules);
  if (is_idle(work)) return;
  if (work.begin >= work.end) {
    finish_without_tokens(args, work);
    return;
  }
  const int head_dim = args.heads.head_dim;
  const int stride = float_stride(head_dim);
  float* keys = reinterpret_cast<float*>(shared);  // [kFloatTile, stride]
  float* values = keys + kFloatTile * stride;      // [kFloatTile, stride]
  float* queries = values + kFloatTile * stride;   // [group, head_dim]
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const int lane = thread % 32;
  const int32_t* pages = work.pages;
  const float scale_log2 = args.heads.scale * kLog2E;

  const auto start_copy = [&](float* tile, const float* source, int token) {
    if (token < work.end) {
      const int64_t offset =
          token_offset(pages[token / kPageSize], token, work.kv_head, args.heads);
      copy_float_tile(tile, source + offset, head_dim, work.end - token);
    }
    commit_copies();
  };
  start_copy(keys, args.kv.keys, work.begin);
  const float* q = args.qkv + work.row * qkv_stride(args.heads) + queries_offset(work, head_dim);
  for (int i = thread; i < work.group * head_dim; i += kDecodeThreads) queries[i] = q[i];

  // In powers of two, of the product q·k of the block's query head `head`.
  const auto score_of = [&](float product, int head, int key) {
    if constexpr (Rules::kIsPlain) {
      return key < work.end ? product * scale_log2 : kNegativeInfinity;
    } else {
      const ScoreShape<float> shape(rules.scores, args.heads.scale);
      const float slope = slope_log2(rules.scores, work.first_head + head);
      const bool is_visible = key < work.end && key >= work.first_key;
      return is_visible ? shape(product, slope, key - (work.context_len - 1)) : kNegativeInfinity;
    }
  };

  float maximum[kHeadsPerWarp];  // of head warp + kDecodeWarps * i
  float sum[kHeadsPerWarp];      // likewise, of this lane's tokens
#pragma unroll
  for (int i = 0; i < kHeadsPerWarp; ++i) {
    maximum[i] = kNegativeInfinity;
    sum[i] = 0.0F;
  }
  float totals[kMaxGroup][kDimsPerThread] = {};  // dimensions thread + kDecodeThreads * i

  for (int token = work.begin; token < work.end; token += kFloatTile) {
    start_copy(values, args.kv.values, token);
    wait_copies<1>();
    __syncthreads();  // the keys (and the queries) are there
    float scores[kHeadsPerWarp] = {};
    for (int dim = 0; dim < head_dim; dim += 4) {
      const auto key = load_vec<4>(keys + lane * stride + dim);
#pragma unroll
      for (int i = 0; i < kHeadsPerWarp; ++i) {
        const int head = warp + kDecodeWarps * i;
        if (head >= work.group) break;
        const auto query = load_vec<4>(queries + head * head_dim + dim);
#pragma unroll
        for (int k = 0; k < 4; ++k) scores[i] += query.value[k] * key.value[k];
      }
    }
#pragma unroll
    for (int i = 0; i < kHeadsPerWarp; ++i) {
      const int head = warp + kDecodeWarps * i;
      if (head >= work.group) break;
      const float score = score_of(scores[i], head, token + lane);
      const float new_maximum = fmaxf(maximum[i], lanes_max<32>(score));
      const float rescale = exp2_fast(maximum[i] - new_maximum);
      const float weight = exp2_fast(score - new_maximum);
      maximum[i] = new_maximum;
      sum[i] = sum[i] * rescale + weight;
      weights[head][lane] = weight;
      if (lane == 0) rescales[head] = rescale;
    }
    wait_copies<0>();
    __syncthreads();  // the values and the weights are there, the keys are read
    start_copy(keys, args.kv.keys, token + kFloatTile);
#pragma unroll
    for (int head = 0; head < kMaxGroup; ++head) {
      if (head >= work.group) break;
#pragma unroll
      for (int i = 0; i < kDimsPerThread; ++i) totals[head][i] *= rescales[head];
    }
#pragma unroll
    for (int i = 0; i < kDimsPerThread; ++i) {
      const int dim = thread + kDecodeThreads * i;
      if (dim >= head_dim) break;
      for (int k = 0; k < kFloatTile; k += 4) {
        float value[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) value[j] = values[(k + j) * stride + dim];
#pragma unroll
        for (int head = 0; head < kMaxGroup; ++head) {
          if (head >= work.group) break;
          const auto weight = load_vec<4>(&weights[head][k]);
#pragma unroll
          for (int j = 0; j < 4; ++j) totals[head][i] += weight.value[j] * value[j];
        }
      }
    }
    __syncthreads();  // the values and the weights are read
  }

#pragma unroll
  for (int i = 0; i < kHeadsPerWarp; ++i) {
    const int head = warp + kDecodeWarps * i;
    if (head >= work.group) break;
    const float total = lanes_sum<32>(sum[i]);
    if (lane == 0) stats[head] = make_float2(maximum[i], total);
  }
  __syncthreads();
#pragma unroll
  for (int head = 0; head < kMaxGroup; ++head) {
    if (head >= work.group) break;
#pragma unroll
    for (int i = 0; i < kDimsPerThread; ++i) {
      const int dim = thread + kDecodeThreads * i;
      if (dim >= head_dim) break;
      store_result<1>(args, rules, work, head, dim, Vec<float, 1>{{totals[head][i]}}, stats[head].x,
                      stats[head].y);
    }
  }
  join_splits(args, rules, work);
}

}  // namespace

template <typename Rules>
void launch_decode_fp32(const DecodeArgs<float>& args, const Rules& rules, dim3 grid,
                        cudaStream_t stream) {
  const int head_dim = args.heads.head_dim;
  const int group = std::min(args.group, Rules::kMaxGroup);
  const int shared_bytes = static_cast<int>(
      (2 * kFloatTile * float_stride(head_dim) + group * head_dim) * sizeof(float));
  const auto kernel = decode_float_kernel<Rules>;
  CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  kernel<<<grid, kDecodeThreads, shared_bytes, stream>>>(args, rules);
  CUDA_CHECK_LAUNCH();
}

template void launch_decode_fp32(const DecodeArgs<float>&, const PlainRules&, dim3, cudaStream_t);
template void launch_decode_fp32(const DecodeArgs<float>&, const LayerRules&, dim3, cudaStream_t);

}  // namespace eet::kernels
