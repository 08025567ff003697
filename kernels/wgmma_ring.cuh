// What matrix products on Hopper's warpgroup tensor cores share: a ring of stages in shared memory
// that the bulk tensor copy engine fills, and the maps of the matrices it reads.
#pragma once

#include "kernels/hopper.cuh"
#include "kernels/launch.cuh"
#include "kernels/tensor_map.cuh"

namespace eet::kernels {

inline constexpr int kLineFeatures = 64;  // in_features in a line of shared memory, by the swizzle
inline constexpr int kLineBytes = 128;
inline constexpr int kStepFeatures = 16;  // in_features in a product
inline constexpr int kMaxStages = 16;

struct Barriers {
  uint64_t full[kMaxStages];   // a stage's bytes have arrived
  uint64_t empty[kMaxStages];  // all that read a stage are done
};

// A place in the ring, and how often it came by.
struct RingPlace {
  int stage = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance(int num_stages) {
    if (++stage == num_stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

// Fills a ring, one thread's work. Feeder has barriers(), num_stages(), copy_weights(chunk, stage),
// which also announces all of the chunk's bytes, and copy_tokens(chunk, stage). The ring's weights
// are asked for before the previous kernel has ended.
template <typename Feeder>
__device__ __forceinline__ void feed_ring(const Feeder& feeder, int num_chunks) {
  const int num_early = min(num_chunks, feeder.num_stages());
  for (int chunk = 0; chunk < num_early; ++chunk) feeder.copy_weights(chunk, chunk);
  wait_for_previous_kernel();
  for (int chunk = 0; chunk < num_early; ++chunk) feeder.copy_tokens(chunk, chunk);
  RingPlace place;
  for (int chunk = num_early; chunk < num_chunks; ++chunk, place.advance(feeder.num_stages())) {
    wait_for(&feeder.barriers().empty[place.stage], place.parity);
    feeder.copy_weights(chunk, place.stage);
    feeder.copy_tokens(chunk, place.stage);
  }
}

// A row-major matrix of 16-bit elements, read in swizzled boxes of `box_rows` x kLineFeatures.
template <typename T>
CUtensorMap tensor_map(const T* matrix, int64_t rows, int64_t features, int box_rows) {
  const auto columns = static_cast<cuuint64_t>(features);
  return swizzled_map<T, 2>(matrix, {columns, static_cast<cuuint64_t>(rows)}, {columns * sizeof(T)},
                            {kLineFeatures, static_cast<cuuint32_t>(box_rows)});
}

}  // namespace eet::kernels
