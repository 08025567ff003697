// Matrix products of few rows, bound by the bytes of the weight and by how soon they flow.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/activation.h"

namespace eet::kernels {

// Of every GPU; see max_skinny_rows().
inline constexpr int kMaxSkinnyRows = 32;

// A product x · weightᵀ + bias of 16-bit floating types.
template <typename T>
struct SkinnyProduct {
  const T* x;       // [num_rows, in_features]
  const T* weight;  // [out_features, in_features]
  const T* bias;    // [out_features] or null
  int num_rows;     // at most max_skinny_rows()
  int in_features;  // a multiple of 8
  int out_features;
  bool portable = false;  // by the kernel of GPUs without Hopper's instructions; kMaxSkinnyRows
};

// Whether the code for this device has Hopper's own instructions.
bool is_hopper();

// Up to so many rows the products below are faster than cuBLASLt's: kMaxSkinnyRows, on Hopper 256,
// of the widest weights (those of LM heads) 64. On an H100, steps of 128 rows took 9.78 ms with
// cuBLASLt's from 65 rows on (with gates from 129) and 9.16 without (Llama-3 8B, 512 tokens
// before), 3.16 and 2.81 ms (Llama-3.2 1B, 1024), 19.0 and 7.3 ms (Qwen2.5 7B, 512); steps of 256
// rows 2.29 ms with cuBLASLt's and 2.20 without (GPT-2 124M, 512), 2.00 and 1.80 ms (Qwen2.5 0.5B).
// out_features: of gates and their partners together where `gated`.
int max_skinny_rows(int64_t out_features, bool gated);

// Whether the kernels below can run a product of these sizes and (16-byte aligned) operands, and
// should.
bool is_skinny(int64_t num_rows, int64_t in_features, int64_t out_features, bool gated,
               const void* x, const void* weight);

// out = x · weightᵀ + bias, accumulated in fp32 in ascending order of in_features, one chain of
// 16-wide tensor core products for each result: a row's bits do not depend on num_rows.
// out: T or float [num_rows, out_features].
template <typename T, typename Out>
void skinny_linear(Out* out, const SkinnyProduct<T>& product, cudaStream_t stream);

// The same, rounded to T, followed by activation() (kernels/activation.h) to the bit.
// out: [num_rows, out_features].
template <typename T>
void skinny_linear_activation(T* out, const SkinnyProduct<T>& product, ActivationFunction function,
                              cudaStream_t stream);

// The same, rounded to T, followed by gated_activation() to the bit.
// out: [num_rows, out_features / 2].
template <typename T>
void skinny_linear_gated_activation(T* out, const SkinnyProduct<T>& product,
                                    ActivationFunction function, cudaStream_t stream);

}  // namespace eet::kernels
