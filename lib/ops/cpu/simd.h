// The inner loops of the CPU operations, compiled once for each instruction set (simd_kernels.cpp)
// and chosen at start-up by what the processor has.
#pragma once

#include <cstdint>

namespace eet::simd {

// Features in a weight panel: the matrix is stored as [ceil(out/kPanel)][in][kPanel] so that the
// inner loop of a product reads it once, in order.
inline constexpr int kPanel = 32;

// Keys and values of one page of one kv head: [kPageSize, head_dim] each.
struct PageView {
  const float* keys;
  const float* values;
};

// Keys [begin, end) of consecutive pages, counted from the first page's start. The query's own is
// the last.
struct KeyRange {
  const PageView* pages;
  int64_t begin;
  int64_t end;
};

// How a product q·k of one head becomes a score (AttentionShape).
struct ScoreRules {
  float scale;
  float softcap;      // 0: none
  float slope;        // of ALiBi; 0: none
  const float* sink;  // null: none
};

struct Kernels {
  const char* name;

  // out[m][0..columns) = sum over k, in ascending order, of x[m][k] * panel[k][0..columns), for m
  // in [0, rows); columns <= kPanel; bias may be null. Each element is one chain of multiply-adds
  // over k, whatever `rows` is, so a row's bits do not depend on the batch. (BLAS libraries choose
  // other kernels for other batch sizes and for edges: OpenBLAS 0.3.21 changed bits with the number
  // of rows on SkylakeX for small products and on Haswell and Zen for all.)
  void (*gemm_panel)(float* out, int64_t out_stride, const float* x, int64_t x_stride,
                     const float* panel, const float* bias, int rows, int columns, int64_t in);

  // One query of one head: out = softmax(scores) · V. `scores` has room for keys.end.
  void (*attend)(float* out, const float* q, const KeyRange& keys, int head_dim,
                 const ScoreRules& rules, float* scores);

  float (*sum)(const float* x, int64_t n);
  float (*sum_squared_distance)(const float* x, float centre, int64_t n);

  void (*silu_gate)(float* out, const float* gate, const float* up, int64_t n);
  void (*gelu_tanh)(float* out, const float* x, int64_t n);

  // Sum of exp(x[i] - shift).
  float (*sum_exp)(const float* x, float shift, int64_t n);
};

// The best table this processor can run.
const Kernels& kernels();

}  // namespace eet::simd
