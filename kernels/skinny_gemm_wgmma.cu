// Matrix products of few rows on Hopper's warpgroup tensor cores (compute capability 9.0a).
//
// The weight's rows are the 64 rows of a product and the tokens its columns, so that few tokens
// waste little work. One warp feeds a ring of stages by the bulk tensor copy engine (TMA); a
// warpgroup multiplies 64 rows of the weight (or 64 gates and their 64 partners) with all tokens,
// straight from shared memory. The ring's weights are asked for before the previous kernel has
// ended. Where a weight has too few tiles for all SMs, the blocks of a cluster share the tokens:
// each copies its share of the weights to all.
//
// Each result is one chain of products over ascending 16s of in_features, as in skinny_gemm.cu.
#include <cuda.h>

#include <algorithm>
#include <type_traits>

#include "kernels/skinny_gemm.cuh"
#include "lib/core/error.h"

// For other GPUs the kernel has no body, which leaves what it is made of without a use.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#pragma nv_diag_suppress 177
#endif

namespace eet::kernels {
namespace {

constexpr int kTileRows = 64;      // rows of the weight in a product
constexpr int kLineFeatures = 64;  // in_features in a line of shared memory, as the swizzle has it
constexpr int kLineBytes = 128;
constexpr int kStepFeatures = 16;  // in_features in a product
constexpr int kMaxStages = 16;

// A block multiplies 64 rows of each part of the weight with kTokens tokens. The blocks of a
// cluster have the same rows and the tokens after each other. What an SM has under way bounds how
// fast it reads: its blocks' rings fill its shared memory. On an H100, 32 tokens by [2048, 8192]:
// 21.5 us with half of that, 16 us with all.
template <int kTokenCount, int kPartCount, int kClusterSize, int kBlockCount>
struct Tiling {
  static constexpr int kTokens = kTokenCount;
  static constexpr int kTokenTiles = kTokens / 8;
  static constexpr int kParts = kPartCount;  // 2: gates and their partners
  static constexpr int kCluster = kClusterSize;
  static constexpr int kBlocks = kBlockCount;  // that share an SM
  // Of a row in a stage.
  static constexpr int kLines = kTokens <= 32 && kParts * kBlocks < 4 ? 2 : 1;
  static constexpr int kChunkFeatures = kLines * kLineFeatures;
  static constexpr int kThreads = 128 + 32;
  static constexpr int kTileBytes = kTileRows * kLineBytes;
  static constexpr int kTokenBytes = kTokens * kLineBytes;
  static constexpr int kWeightBytes = kTileBytes * kParts * kLines;
  static constexpr int kStageBytes = kWeightBytes + kTokenBytes * kLines;
  static constexpr int kFittingStages = 220 * 1024 / kBlocks / kStageBytes;
  static constexpr int kStages = kFittingStages < kMaxStages ? kFittingStages : kMaxStages;
  // The swizzle repeats every 1024 bytes; dynamic shared memory begins anywhere.
  static constexpr int kSharedBytes = kStages * kStageBytes + 1024;
  static_assert(kStages >= 3);
  static_assert(kChunkFeatures % kStepFeatures == 0);
};

// A place in the ring, and how often it came by.
template <typename Shape>
struct RingPlace {
  int stage = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage == Shape::kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

// ---- barriers in shared memory

struct Barriers {
  uint64_t full[kMaxStages];   // a stage's bytes have arrived
  uint64_t empty[kMaxStages];  // all that read a stage, in all blocks of the cluster, are done
};

__device__ __forceinline__ void init_barrier(uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(shared_address(barrier)),
               "r"(arrivals)
               : "memory");
}

__device__ __forceinline__ void expect_bytes(uint64_t* barrier, int bytes) {
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(shared_address(barrier)),
      "r"(bytes)
      : "memory");
}

// Arrives at the barrier of the same place in block `rank` of the cluster. It publishes nothing, so
// that it needs no scope wider than a block's: with .release.cluster the compiler puts a membar.gpu
// before it, which costs 0.5 us a stage.
template <int kCluster>
__device__ __forceinline__ void arrive_at(uint64_t* barrier, int rank) {
  if constexpr (kCluster == 1) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(shared_address(barrier))
                 : "memory");
  } else {
    asm volatile(
        "{\n"
        ".reg .b32 remote;\n"
        "mapa.shared::cluster.u32 remote, %0, %1;\n"
        "mbarrier.arrive.shared::cluster.b64 _, [remote];\n"
        "}\n" ::"r"(shared_address(barrier)),
        "r"(rank)
        : "memory");
  }
}

__device__ __forceinline__ void wait_for(uint64_t* barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}\n" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

template <int kCluster>
__device__ __forceinline__ void sync_cluster() {
  if constexpr (kCluster > 1) {
    asm volatile(
        "barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;\n" ::
            : "memory");
  } else {
    __syncthreads();
  }
}

// ---- copies

__device__ __forceinline__ void prefetch_map(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];\n" ::"l"(reinterpret_cast<uint64_t>(&map)) : "memory");
}

// Copies a box of the matrix that begins at (row, feature) to `target`, at the same place of all
// blocks of the cluster; what lies outside of the matrix is zeros.
template <int kCluster>
__device__ __forceinline__ void copy_box(uint32_t target, const CUtensorMap& map, int feature,
                                         int row, uint64_t* barrier) {
  if constexpr (kCluster == 1) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
        " [%0], [%1, {%2, %3}], [%4];\n" ::"r"(target),
        "l"(reinterpret_cast<uint64_t>(&map)), "r"(feature), "r"(row), "r"(shared_address(barrier))
        : "memory");
  } else {
    constexpr uint16_t kAll = (1U << kCluster) - 1;
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
        ".multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;\n" ::"r"(target),
        "l"(reinterpret_cast<uint64_t>(&map)), "r"(feature), "r"(row), "r"(shared_address(barrier)),
        "h"(kAll)
        : "memory");
  }
}

// ---- products of a warpgroup

// Describes a tile whose rows have 128 swizzled bytes each, for wgmma, by its address / 16.
__device__ __forceinline__ uint64_t tile_descriptor(uint32_t address_16) {
  constexpr uint64_t kSwizzle128 = uint64_t{1} << 62;
  constexpr uint64_t kStride = uint64_t{1024 >> 4} << 32;  // bytes between groups of eight rows
  constexpr uint64_t kLeading = uint64_t{1} << 16;         // unused with a swizzle
  return kSwizzle128 | kStride | kLeading | address_16;
}

__device__ __forceinline__ void begin_products() {
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}
__device__ __forceinline__ void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
}
template <int kPending>
__device__ __forceinline__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(kPending) : "memory");
}

// sums (64 x kTokens) += weights (64 x 16) · tokensᵀ (16 x kTokens), laid out as Sums: in lane
// 4g + t of warp w of the warpgroup, sums[j][2h + i] is row 16w + 8h + g with token 8j + 2t + i.
template <typename T, int kTokens>
__device__ __forceinline__ void multiply(float (&sums)[kTokens / 8][4], uint64_t weights,
                                         uint64_t tokens);

#define EET_F4(d, j) "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])
#define EET_F16(d, j) EET_F4(d, j), EET_F4(d, j + 1), EET_F4(d, j + 2), EET_F4(d, j + 3)
#define EET_P4(a, b, c, d) "%" #a ",%" #b ",%" #c ",%" #d
#define EET_P16_0 \
  EET_P4(0, 1, 2, 3) "," EET_P4(4, 5, 6, 7) "," EET_P4(8, 9, 10, 11) "," EET_P4(12, 13, 14, 15)
#define EET_P16_1        \
  EET_P4(16, 17, 18, 19) \
  "," EET_P4(20, 21, 22, 23) "," EET_P4(24, 25, 26, 27) "," EET_P4(28, 29, 30, 31)
#define EET_P16_2        \
  EET_P4(32, 33, 34, 35) \
  "," EET_P4(36, 37, 38, 39) "," EET_P4(40, 41, 42, 43) "," EET_P4(44, 45, 46, 47)
#define EET_P16_3        \
  EET_P4(48, 49, 50, 51) \
  "," EET_P4(52, 53, 54, 55) "," EET_P4(56, 57, 58, 59) "," EET_P4(60, 61, 62, 63)

#define EET_WGMMA(T, NAME, TOKENS, PLACES, W, X, ...)                                             \
  template <>                                                                                     \
  __device__ __forceinline__ void multiply<T, TOKENS>(float(&d)[TOKENS / 8][4], uint64_t weights, \
                                                      uint64_t tokens) {                          \
    asm volatile("wgmma.mma_async.sync.aligned.m64n" #TOKENS "k16.f32." NAME "." NAME " {" PLACES \
                 "}, %" #W ", %" #X ", 1, 1, 1, 0, 0;\n"                                          \
                 : __VA_ARGS__                                                                    \
                 : "l"(weights), "l"(tokens));                                                    \
  }
#define EET_WGMMAS(T, NAME)                                                             \
  EET_WGMMA(T, NAME, 8, EET_P4(0, 1, 2, 3), 4, 5, EET_F4(d, 0))                         \
  EET_WGMMA(T, NAME, 16, EET_P4(0, 1, 2, 3) "," EET_P4(4, 5, 6, 7), 8, 9, EET_F4(d, 0), \
            EET_F4(d, 1))                                                               \
  EET_WGMMA(T, NAME, 32, EET_P16_0, 16, 17, EET_F16(d, 0))                              \
  EET_WGMMA(T, NAME, 64, EET_P16_0 "," EET_P16_1, 32, 33, EET_F16(d, 0), EET_F16(d, 4)) \
  EET_WGMMA(T, NAME, 128, EET_P16_0 "," EET_P16_1 "," EET_P16_2 "," EET_P16_3, 64, 65,  \
            EET_F16(d, 0), EET_F16(d, 4), EET_F16(d, 8), EET_F16(d, 12))
EET_WGMMAS(__half, "f16")
EET_WGMMAS(__nv_bfloat16, "bf16")
#undef EET_WGMMAS
#undef EET_WGMMA

template <typename T, typename Shape>
__device__ __forceinline__ void add_bias(Sums<Shape>& sums, const SkinnyArgs<T>& args,
                                         const int (&rows)[2]) {
  if (args.product.bias == nullptr) return;
#pragma unroll
  for (int part = 0; part < Shape::kParts; ++part) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (rows[h] >= args.width) continue;
      const float bias = to_float(args.product.bias[part * args.width + rows[h]]);
#pragma unroll
      for (int tile = 0; tile < Shape::kTokenTiles; ++tile) {
        sums[part][tile][2 * h] += bias;
        sums[part][tile][2 * h + 1] += bias;
      }
    }
  }
}

// ---- the kernel

template <typename T>
struct TmaArgs {
  SkinnyArgs<T> args;
  CUtensorMap weight;
  CUtensorMap tokens;
};

// The first row of a part that a block multiplies.
template <typename Shape>
__device__ __forceinline__ int first_tile_row() {
  return static_cast<int>(blockIdx.x) / Shape::kCluster * kTileRows;
}
template <typename Shape>
__device__ __forceinline__ int rank_in_cluster() {
  return static_cast<int>(blockIdx.x) % Shape::kCluster;
}

// Copies chunks to the ring, one thread's work.
template <typename T, typename Shape>
class Feeder {
 public:
  __device__ __forceinline__ Feeder(const TmaArgs<T>& tma, uint32_t ring, Barriers& barriers)
      : tma_(tma), ring_(ring), barriers_(barriers) {}

  __device__ __forceinline__ void run(int num_chunks) const {
    prefetch_map(tma_.weight);
    prefetch_map(tma_.tokens);
    const int num_early = min(num_chunks, Shape::kStages);
    for (int chunk = 0; chunk < num_early; ++chunk) copy_weights(chunk, chunk);
    wait_for_previous_kernel();
    for (int chunk = 0; chunk < num_early; ++chunk) copy_tokens(chunk, chunk);
    RingPlace<Shape> place;
    for (int chunk = num_early; chunk < num_chunks; ++chunk, place.advance()) {
      wait_for(&barriers_.empty[place.stage], place.parity);
      copy_weights(chunk, place.stage);
      copy_tokens(chunk, place.stage);
    }
  }

 private:
  // This block's share of the rows, to all blocks of the cluster; and announces all that comes.
  __device__ __forceinline__ void copy_weights(int chunk, int stage) const {
    constexpr int kShare = kTileRows / Shape::kCluster;
    const int first = rank_in_cluster<Shape>() * kShare;
    const uint32_t target = ring_ + static_cast<uint32_t>(stage * Shape::kStageBytes);
    expect_bytes(&barriers_.full[stage], Shape::kStageBytes);
#pragma unroll
    for (int line = 0; line < Shape::kLines; ++line) {
#pragma unroll
      for (int part = 0; part < Shape::kParts; ++part) {
        copy_box<Shape::kCluster>(
            target + static_cast<uint32_t>((line * Shape::kParts + part) * Shape::kTileBytes +
                                           first * kLineBytes),
            tma_.weight, chunk * Shape::kChunkFeatures + line * kLineFeatures,
            part * tma_.args.width + first_tile_row<Shape>() + first, &barriers_.full[stage]);
      }
    }
  }

  __device__ __forceinline__ void copy_tokens(int chunk, int stage) const {
    const uint32_t target =
        ring_ + static_cast<uint32_t>(stage * Shape::kStageBytes + Shape::kWeightBytes);
#pragma unroll
    for (int line = 0; line < Shape::kLines; ++line) {
      copy_box<1>(target + static_cast<uint32_t>(line * Shape::kTokenBytes), tma_.tokens,
                  chunk * Shape::kChunkFeatures + line * kLineFeatures,
                  rank_in_cluster<Shape>() * Shape::kTokens, &barriers_.full[stage]);
    }
  }

  const TmaArgs<T>& tma_;
  uint32_t ring_;
  Barriers& barriers_;
};

// Multiplies what is in the ring, a warpgroup's work.
template <typename T, typename Shape>
__device__ __forceinline__ void multiply_tile(const SkinnyArgs<T>& args, uint32_t ring,
                                              Barriers& barriers, int num_chunks) {
  wait_for_previous_kernel();  // nothing can be done before: it writes the tokens
  Sums<Shape> sums;
#pragma unroll
  for (int part = 0; part < Shape::kParts; ++part) {
#pragma unroll
    for (int i = 0; i < Shape::kTokens / 2; ++i) sums[part][i / 4][i % 4] = 0.0F;
  }
  RingPlace<Shape> place;
  int previous_stage = 0;
  for (int chunk = 0; chunk < num_chunks; ++chunk, place.advance()) {
    // The same in all threads, and known to be: descriptors are made in uniform registers.
    const uint32_t address_16 = __shfl_sync(
        0xFFFFFFFFU, (ring + static_cast<uint32_t>(place.stage * Shape::kStageBytes)) / 16, 0);
    wait_for(&barriers.full[place.stage], place.parity);
    begin_products();
#pragma unroll
    for (int step = 0; step < Shape::kChunkFeatures / kStepFeatures; ++step) {
      constexpr int kLineSteps = kLineFeatures / kStepFeatures;
      const int line = step / kLineSteps;
      const int offset = step % kLineSteps * kStepFeatures * 2;
      const uint64_t tokens = tile_descriptor(
          address_16 +
          static_cast<uint32_t>((Shape::kWeightBytes + line * Shape::kTokenBytes + offset) / 16));
#pragma unroll
      for (int part = 0; part < Shape::kParts; ++part) {
        const int weight_tile = (line * Shape::kParts + part) * Shape::kTileBytes;
        multiply<T, Shape::kTokens>(
            sums[part],
            tile_descriptor(address_16 + static_cast<uint32_t>((weight_tile + offset) / 16)),
            tokens);
      }
    }
    commit_products();
    wait_products<1>();
    if (chunk > 0 && static_cast<int>(threadIdx.x) < Shape::kCluster) {
      arrive_at<Shape::kCluster>(&barriers.empty[previous_stage], static_cast<int>(threadIdx.x));
    }
    previous_stage = place.stage;
  }
  wait_products<0>();

  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first_row = first_tile_row<Shape>() + warp * 16;
  const int rows[2] = {first_row + lane / 4, first_row + lane / 4 + 8};
  const int first_token = rank_in_cluster<Shape>() * Shape::kTokens;
  add_bias<T, Shape>(sums, args, rows);
  finish_and_store<T, Shape>(args, sums, rows, first_token, lane);
}

template <typename T, typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocks)
    skinny_wgmma_kernel(const __grid_constant__ TmaArgs<T> tma) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  extern __shared__ char shared[];
  __shared__ Barriers barriers;
  const uint32_t ring = (shared_address(shared) + 1023) / 1024 * 1024;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < Shape::kStages; ++stage) {
      init_barrier(&barriers.full[stage], 1);
      init_barrier(&barriers.empty[stage], Shape::kCluster);
    }
    asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory");
  }
  sync_cluster<Shape::kCluster>();

  const int num_chunks =
      (tma.args.product.in_features + Shape::kChunkFeatures - 1) / Shape::kChunkFeatures;
  if (threadIdx.x < 128) {
    multiply_tile<T, Shape>(tma.args, ring, barriers, num_chunks);
  } else {
    if (threadIdx.x == 128) {
      Feeder<T, Shape>(tma, ring, barriers).run(num_chunks);
    } else {
      wait_for_previous_kernel();
    }
    __syncwarp();
  }
  // No block ends while another may still write to its memory or arrive at its barriers.
  if constexpr (Shape::kCluster > 1) sync_cluster<Shape::kCluster>();
#endif
}

// ---- the host's part

using EncodeTiled = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*,
                                 const cuuint64_t*, const cuuint64_t*, const cuuint32_t*,
                                 const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                                 CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

// The driver's function, found at run time: the program starts without a driver.
EncodeTiled encode_tiled() {
  static const EncodeTiled function = [] {
    void* symbol = nullptr;
    cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
    CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &symbol, 12000,
                                                cudaEnableDefault, &found));
#else
    CUDA_CHECK(
        cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &symbol, cudaEnableDefault, &found));
#endif
    require(found == cudaDriverEntryPointSuccess && symbol != nullptr,
            "the NVIDIA driver has no cuTensorMapEncodeTiled: expected one for CUDA 12 or later");
    return reinterpret_cast<EncodeTiled>(symbol);
  }();
  return function;
}

// A row-major matrix of 16-bit elements, read in swizzled boxes of `box_rows` x kChunkFeatures.
template <typename T>
CUtensorMap tensor_map(const T* matrix, int64_t rows, int64_t features, int box_rows) {
  CUtensorMap map{};
  const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(features), static_cast<cuuint64_t>(rows)};
  const cuuint64_t row_bytes[1] = {static_cast<cuuint64_t>(features) * sizeof(T)};
  const cuuint32_t box[2] = {kLineFeatures, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  constexpr auto kType = std::is_same_v<T, __half> ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                   : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  const CUresult result =
      encode_tiled()(&map, kType, 2, const_cast<T*>(matrix), sizes, row_bytes, box, steps,
                     CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                     CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  require(result == CUDA_SUCCESS, "cuTensorMapEncodeTiled: error ", static_cast<int>(result),
          " for a matrix of ", rows, " x ", features);
  return map;
}

int num_multiprocessors() {
  static const int count = [] {
    int device = 0;
    int value = 0;
    CUDA_CHECK(cudaGetDevice(&device));
    CUDA_CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, device));
    return value;
  }();
  return count;
}

int tiles_of(int rows) {
  return (rows + kTileRows - 1) / kTileRows;
}

template <typename T, typename Shape>
void launch_shape(const SkinnyArgs<T>& args, cudaStream_t stream) {
  const auto kernel = skinny_wgmma_kernel<T, Shape>;
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  Shape::kSharedBytes));
  const SkinnyProduct<T>& product = args.product;
  const TmaArgs<T> tma = {
      .args = args,
      .weight = tensor_map(product.weight, product.out_features, product.in_features,
                           kTileRows / Shape::kCluster),
      .tokens = tensor_map(product.x, product.num_rows, product.in_features, Shape::kTokens)};
  launch_overlapped_clusters(kernel, tiles_of(args.width) * Shape::kCluster, Shape::kThreads,
                             Shape::kSharedBytes, Shape::kCluster, stream, tma);
}

// Two blocks share an SM where there are many to come: one starts while another ends. On an H100,
// 16 tokens by [50304, 768]: 28 us, with one 31 us; by [28672, 4096] with gates: 80.6 and 79.2 us.
template <typename T, int kParts, int kTokens>
void launch_tokens(const SkinnyArgs<T>& args, cudaStream_t stream) {
  const int enough = kTokens == 128 ? num_multiprocessors() : 4 * num_multiprocessors();
  if (tiles_of(args.width) > enough) {
    launch_shape<T, Tiling<kTokens, kParts, 1, 2>>(args, stream);
  } else {
    launch_shape<T, Tiling<kTokens, kParts, 1, 1>>(args, stream);
  }
}

}  // namespace

bool is_hopper() {
  static const bool hopper = [] {
    // The kernel compiled for anything else has no body, and no barriers.
    cudaFuncAttributes attributes{};
    CUDA_CHECK(cudaFuncGetAttributes(&attributes, skinny_wgmma_kernel<__half, Tiling<8, 1, 1, 1>>));
    return attributes.sharedSizeBytes >= sizeof(Barriers);
  }();
  return hopper;
}

template <typename T, int kParts>
void launch_wgmma(const SkinnyArgs<T>& args, cudaStream_t stream) {
  const int n = args.product.num_rows;
  if (n <= 8) return launch_tokens<T, kParts, 8>(args, stream);
  if (n <= 16) return launch_tokens<T, kParts, 16>(args, stream);
  if (n <= 32) return launch_tokens<T, kParts, 32>(args, stream);
  if constexpr (kParts == 2) {
    if (n > 64) return launch_tokens<T, kParts, 128>(args, stream);
  } else {
    // Where the weight has too few tiles for all SMs, twice as many blocks share the tokens.
    if (2 * tiles_of(args.width) <= num_multiprocessors()) {
      return launch_shape<T, Tiling<32, kParts, 2, 1>>(args, stream);
    }
  }
  launch_tokens<T, kParts, 64>(args, stream);
}

template void launch_wgmma<__half, 1>(const SkinnyArgs<__half>&, cudaStream_t);
template void launch_wgmma<__half, 2>(const SkinnyArgs<__half>&, cudaStream_t);
template void launch_wgmma<__nv_bfloat16, 1>(const SkinnyArgs<__nv_bfloat16>&, cudaStream_t);
template void launch_wgmma<__nv_bfloat16, 2>(const SkinnyArgs<__nv_bfloat16>&, cudaStream_t);

}  // namespace eet::kernels
