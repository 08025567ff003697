// QK-norm: queries and keys are normalised before they turn and enter the KV pages.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/norm.h"
#include "kernels/rope_append.h"

namespace eet::kernels {

// The norm of all queries, or of all keys, of a token. The weights of head i begin at i * stride
// elements, and so do its biases: stride is head_dim, or 0 where all heads have the same.
template <typename T>
struct HeadNorm {
  Norm<T> norm;
  int stride;
};

// Both are of one kind, and not kNone.
template <typename T>
struct QkNorm {
  HeadNorm<T> q;
  HeadNorm<T> k;
  bool by_head;  // each head alone; else all queries at once, and all keys at once
};

// Normalises q and k of each token in place; results are rounded to T. Sums are in fp32, in an
// order that the shape and the rope's dimensions fix: a token's bits do not depend on num_tokens.
// The kernel after may start before this one waits for the one before it (kernels/launch.cuh).
// qkv: as rope_append()'s.
template <typename T>
void qk_norm(T* qkv, int num_tokens, const QkvShape& shape, const Rope& rope, const QkNorm<T>& norm,
             cudaStream_t stream);

// qk_norm() and rope_append(), to the bit, but for pads, which stay as they are. The kernel before
// may write qkv alone.
template <typename T>
void qk_norm_rope_append(T* qkv, T* keys, T* values, const KvDestination& destination,
                         int num_tokens, const QkvShape& shape, const Rope& rope,
                         const QkNorm<T>& norm, cudaStream_t stream);

}  // namespace eet::kernels
