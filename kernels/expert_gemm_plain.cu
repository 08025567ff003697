// Products of pairs with their experts' matrices without tensor cores: fp32, and 16-bit types of
// odd sizes. Each result is one chain of fused multiply-adds over ascending in_features.
#include <algorithm>

#include "kernels/expert_gemm.cuh"

namespace eet::kernels {
namespace {

constexpr int kColumns = 32;  // of out, in a tile
constexpr int kPairs = 32;    // likewise
constexpr int kChunk = 32;    // in_features in shared memory
constexpr int kThreads = 256;
constexpr int kPairsAtOnce = kThreads / kColumns;
constexpr int kPairsPerThread = kPairs / kPairsAtOnce;

// Lines are padded, so that a column of one meets in no bank.
using Lines = float[32][kChunk + 1];
static_assert(kColumns == 32 && kPairs == 32);

// Copies a chunk of 32 rows, zeros where `row_of(line)` is null and past the last feature.
template <typename RowOf>
__device__ __forceinline__ void copy_lines(Lines& lines, int feature, int in_features,
                                           const RowOf& row_of) {
#pragma unroll
  for (int line = static_cast<int>(threadIdx.x) / kChunk; line < 32; line += kThreads / kChunk) {
    const int column = static_cast<int>(threadIdx.x) % kChunk;
    const auto* row = row_of(line);
    const bool valid = row != nullptr && feature + column < in_features;
    lines[line][column] = valid ? to_float(row[feature + column]) : 0.0F;
  }
}

// One tile: `count` pairs from `begin` on of the sorted order, columns from `first_column` on.
template <typename T, int kParts>
__device__ void multiply_tile(const ExpertArgs<T>& args, int expert, int begin, int count,
                              int first_column) {
  __shared__ Lines weights[kParts];
  __shared__ Lines pairs;
  const ExpertProduct<T>& product = args.product;
  const int64_t in_features = product.in_features;
  const int64_t first_weight = static_cast<int64_t>(expert) * product.out_features;
  const int thread_column = static_cast<int>(threadIdx.x) % kColumns;
  const int thread_pair = static_cast<int>(threadIdx.x) / kColumns;
  float sums[kParts][kPairsPerThread] = {};
  for (int feature = 0; feature < in_features; feature += kChunk) {
    __syncthreads();  // the chunk before has been read
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      copy_lines(weights[part], feature, product.in_features, [&](int line) -> const T* {
        const int column = first_column + line;
        if (column >= args.width) return nullptr;
        return product.weight + (first_weight + part * args.width + column) * in_features;
      });
    }
    copy_lines(pairs, feature, product.in_features, [&](int line) -> const T* {
      return line < count ? product.x + args.source_row(begin + line) * in_features : nullptr;
    });
    __syncthreads();
#pragma unroll 8
    for (int k = 0; k < kChunk; ++k) {
#pragma unroll
      for (int i = 0; i < kPairsPerThread; ++i) {
        const float x = pairs[thread_pair + i * kPairsAtOnce][k];
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
          sums[part][i] = fmaf(x, weights[part][thread_column][k], sums[part][i]);
        }
      }
    }
  }

  const int column = first_column + thread_column;
  if (column >= args.width) return;
  if (product.bias != nullptr) {
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const float addend = to_float(product.bias[first_weight + part * args.width + column]);
#pragma unroll
      for (float& sum : sums[part]) sum += addend;
    }
  }
  if constexpr (kParts == 2) {
    with_gate(args.gate, [&]<GateFunction kFunction>() {
#pragma unroll
      for (int i = 0; i < kPairsPerThread; ++i) {
        sums[0][i] =
            apply_gate<kFunction, T>(to_float(from_float<T>(sums[0][i])),
                                     to_float(from_float<T>(sums[1][i])), args.gate.swiglu_limit);
      }
    });
  }
#pragma unroll
  for (int i = 0; i < kPairsPerThread; ++i) {
    const int pair = thread_pair + i * kPairsAtOnce;
    if (pair >= count) continue;
    const int64_t target = args.target_row(begin + pair);
    args.out[target * args.width + column] = from_float<T>(sums[0][i]);
  }
}

template <typename T, int kParts>
__global__ void __launch_bounds__(kThreads) expert_plain_kernel(const ExpertArgs<T> args) {
  wait_for_previous_kernel();
  const int out_tiles = ceil_div(args.width, kColumns);
  const int num_flat = *args.groups.num_tiles * out_tiles;
  for (int flat = static_cast<int>(blockIdx.x); flat < num_flat;
       flat += static_cast<int>(gridDim.x)) {
    const FlatTile tile(args, flat, out_tiles, kColumns);
    for (int done = 0; done < tile.pairs.count; done += kPairs) {
      multiply_tile<T, kParts>(args, tile.pairs.expert, tile.pairs.begin + done,
                               min(tile.pairs.count - done, kPairs), tile.first_row);
    }
  }
}

}  // namespace

template <typename T>
void launch_expert_plain(const ExpertArgs<T>& args, cudaStream_t stream) {
  constexpr int kBlocks = 4;  // of an SM
  const int64_t tiles = args.groups.max_tiles() * ceil_div(args.width, kColumns);
  const auto blocks =
      static_cast<unsigned>(std::min<int64_t>(tiles, kBlocks * num_multiprocessors()));
  const auto kernel = args.gate.gated ? expert_plain_kernel<T, 2> : expert_plain_kernel<T, 1>;
  launch_overlapped(kernel, blocks, kThreads, 0, stream, args);
}

template void launch_expert_plain(const ExpertArgs<float>&, cudaStream_t);
template void launch_expert_plain(const ExpertArgs<__half>&, cudaStream_t);
template void launch_expert_plain(const ExpertArgs<__nv_bfloat16>&, cudaStream_t);

}  // namespace eet::kernels
