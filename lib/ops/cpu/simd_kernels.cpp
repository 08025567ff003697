// Compiled once for each instruction set with EET_SIMD_NAMESPACE naming it; see lib/CMakeLists.txt.
// Includes nothing with inline functions: the linker would merge their copies, and a processor
// without the instruction set could be given one it cannot run.
#include <cstdint>

#include "kernels/contract/kv_layout.h"
#include "lib/ops/cpu/simd.h"

namespace eet::simd::EET_SIMD_NAMESPACE {
namespace {

constexpr int kLanes = 16;
using Vec = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntVec = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
// In memory, where it begins at any float. The attributes stand before the type, after which clang
// drops `aligned`.
using StoredVec __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias)) = float;

// Rows and vectors of accumulators that fit the registers beside one row of weights.
#if defined(__AVX512F__)
constexpr int kTileRows = 12;
constexpr int kTileVecs = 2;
#elif defined(__AVX2__)
constexpr int kTileRows = 6;
constexpr int kTileVecs = 1;
#else
constexpr int kTileRows = 2;
constexpr int kTileVecs = 1;
#endif

inline Vec load(const float* p) {
  return *reinterpret_cast<const StoredVec*>(p);
}
inline void store(float* p, Vec v) {
  *reinterpret_cast<StoredVec*>(p) = v;
}
inline Vec broadcast(float x) {
  return Vec{} + x;
}

// Lanes are added pairwise in a fixed order.
inline float reduce_add(Vec v) {
  float lanes[kLanes];
  store(lanes, v);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

// exp to about 1 ulp: 2^n * exp(r), |r| <= ln2/2, with the degree-6 polynomial of Cephes expf.
inline Vec exp_vec(Vec x) {
  const Vec lowest = broadcast(-87.33654F);
  const Vec highest = broadcast(88.37626F);
  x = x < lowest ? lowest : x;
  x = x > highest ? highest : x;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = x * 1.44269504F + kRound;
  const Vec n = shifted - kRound;
  Vec r = x - n * 0.693359375F;
  r = r + n * 2.12194440e-4F;
  Vec p = broadcast(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const IntVec exponent = (reinterpret_cast<IntVec>(shifted) - 0x4B400000 + 127) << 23;
  return p * reinterpret_cast<Vec>(exponent);
}

// tanh to about 1 ulp: a polynomial near 0, where 1 - 2 / (exp(2x) + 1) loses digits (Cephes
// tanhf).
inline Vec tanh_vec(Vec x) {
  const Vec size = x < 0.0F ? -x : x;
  const Vec far = 1.0F - 2.0F / (exp_vec(2.0F * size) + 1.0F);
  const Vec square = x * x;
  Vec p = broadcast(-5.70498872745e-3F);
  p = p * square + 2.06390887954e-2F;
  p = p * square - 5.37397155531e-2F;
  p = p * square + 1.33314422036e-1F;
  p = p * square - 3.33332819422e-1F;
  const Vec near = p * square * x + x;
  return size < 0.625F ? near : x < 0.0F ? -far : far;
}

// The tail of a range, in a full vector: lanes past `n` hold `fill`.
inline Vec load_partial(const float* p, int64_t n, float fill) {
  float lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i] = i < n ? p[i] : fill;
  return load(lanes);
}

inline void store_partial(float* p, Vec v, int64_t n) {
  float lanes[kLanes];
  store(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}

// out[i] = f(x[i], y[i]) with the same vector code for every element, tail included.
template <typename F>
inline void map(float* out, const float* x, const float* y, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, f(load(x + i), load(y + i)));
  if (i < n) {
    store_partial(out + i, f(load_partial(x + i, n - i, 0.0F), load_partial(y + i, n - i, 0.0F)),
                  n - i);
  }
}

// Sum of f(x[i]); lanes past the end of x are masked out.
template <typename F>
inline float map_sum(const float* x, int64_t n, F f) {
  Vec total{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) total += f(load(x + i));
  if (i < n) {
    float lanes[kLanes];
    store(lanes, f(load_partial(x + i, n - i, 0.0F)));
    total += load_partial(lanes, n - i, 0.0F);
  }
  return reduce_add(total);
}

// sums[m][v] += x[m][k] * panel[k] for k in [0, count).
template <int kRows>
inline void accumulate(Vec (&sums)[kRows][kTileVecs], const float* x, int64_t x_stride,
                       const float* panel, int64_t count) {
  for (int64_t k = 0; k < count; ++k) {
    Vec weights[kTileVecs];
#pragma GCC unroll 2
    for (int v = 0; v < kTileVecs; ++v) weights[v] = load(panel + k * kPanel + v * kLanes);
#pragma GCC unroll 12
    for (int m = 0; m < kRows; ++m) {
      const Vec value = broadcast(x[m * x_stride + k]);
#pragma GCC unroll 2
      for (int v = 0; v < kTileVecs; ++v) sums[m][v] += value * weights[v];
    }
  }
}

template <int kRows>
inline void gemm_tile(float* out, int64_t out_stride, const float* x, int64_t x_stride,
                      const float* panel, const float* bias, int columns, int64_t in) {
  Vec sums[kRows][kTileVecs] = {};
  if constexpr (kRows >= 4) {
    // Rows a multiple of 4 KiB apart share one set of the L1 cache; a copy of a few hundred columns
    // of each does not ([512, 3072] x [3072, 768], AVX-512: 59 -> 78 GFLOP/s on one core).
    constexpr int64_t kBlock = 256;
    constexpr int64_t kStride = kBlock + kLanes;
    float block[kRows * kStride];
    for (int64_t k = 0; k < in; k += kBlock) {
      const int64_t count = in - k < kBlock ? in - k : kBlock;
      for (int m = 0; m < kRows; ++m) {
        const float* row = x + m * x_stride + k;
        int64_t i = 0;
        for (; i + kLanes <= count; i += kLanes) store(block + m * kStride + i, load(row + i));
        for (; i < count; ++i) block[m * kStride + i] = row[i];
      }
      accumulate<kRows>(sums, block, kStride, panel + k * kPanel, count);
    }
  } else {
    accumulate<kRows>(sums, x, x_stride, panel, in);
  }
#pragma GCC unroll 12
  for (int m = 0; m < kRows; ++m) {
    for (int v = 0; v < kTileVecs; ++v) {
      const int64_t width = columns - v * kLanes;
      if (width <= 0) break;
      float* place = out + m * out_stride + v * kLanes;
      if (width >= kLanes) {
        store(place, bias == nullptr ? sums[m][v] : sums[m][v] + load(bias + v * kLanes));
      } else {
        const Vec shift = bias == nullptr ? Vec{} : load_partial(bias + v * kLanes, width, 0.0F);
        store_partial(place, sums[m][v] + shift, width);
      }
    }
  }
}

template <int kRows>
void gemm_rows(float* out, int64_t out_stride, const float* x, int64_t x_stride, const float* panel,
               const float* bias, int columns, int64_t in) {
  constexpr int kTileColumns = kTileVecs * kLanes;
  for (int c = 0; c < columns; c += kTileColumns) {
    gemm_tile<kRows>(out + c, out_stride, x, x_stride, panel + c, bias == nullptr ? bias : bias + c,
                     columns - c, in);
  }
}

void gemm_panel(float* out, int64_t out_stride, const float* x, int64_t x_stride,
                const float* panel, const float* bias, int rows, int columns, int64_t in) {
  int m = 0;
  const auto run = [&](auto tile, int tile_rows) {
    tile(out + m * out_stride, out_stride, x + m * x_stride, x_stride, panel, bias, columns, in);
    m += tile_rows;
  };
  while (rows - m >= kTileRows) run(gemm_rows<kTileRows>, kTileRows);
#if defined(__AVX512F__)
  if (rows - m >= 8) run(gemm_rows<8>, 8);
#endif
#if defined(__AVX2__)
  if (rows - m >= 4) run(gemm_rows<4>, 4);
  if (rows - m >= 2) run(gemm_rows<2>, 2);
#endif
  if (rows - m >= 1) run(gemm_rows<1>, 1);
}

inline float dot(const float* a, const float* b, int n) {
  Vec total{};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) total += load(a + i) * load(b + i);
  if (i < n) total += load_partial(a + i, n - i, 0.0F) * load_partial(b + i, n - i, 0.0F);
  return reduce_add(total);
}

void attend(float* out, const float* q, const KeyRange& keys, int head_dim, const ScoreRules& rules,
            float* scores) {
  const PageView* pages = keys.pages;
  float* visible = scores + keys.begin;
  const int64_t num_visible = keys.end - keys.begin;
  for (int64_t j = keys.begin; j < keys.end; ++j) {
    const float* key = pages[j / kPageSize].keys + (j % kPageSize) * head_dim;
    scores[j] = dot(q, key, head_dim) * rules.scale;
  }
  if (rules.softcap > 0) {
    const float cap = rules.softcap;
    map(visible, visible, visible, num_visible,
        [cap](Vec s, Vec) { return cap * tanh_vec(s / cap); });
  }
  if (rules.slope != 0) {
    for (int64_t j = keys.begin; j < keys.end; ++j) {
      scores[j] += rules.slope * static_cast<float>(j - (keys.end - 1));
    }
  }
  float highest = rules.sink != nullptr ? *rules.sink : -__builtin_inff();
  for (int64_t j = keys.begin; j < keys.end; ++j) {
    highest = scores[j] > highest ? scores[j] : highest;
  }
  map(visible, visible, visible, num_visible,
      [highest](Vec s, Vec) { return exp_vec(s - highest); });
  float total = map_sum(visible, num_visible, [](Vec p) { return p; });
  if (rules.sink != nullptr) total += __builtin_expf(*rules.sink - highest);
  const float inverse = 1.0F / total;
  // Keys are summed in ascending order for each element, a few vectors of the head at a time.
  constexpr int kVecs = 4;
  for (int d = 0; d < head_dim; d += kVecs * kLanes) {
    Vec sums[kVecs] = {};
    const int width = head_dim - d;
    for (int64_t j = keys.begin; j < keys.end; ++j) {
      const float* value = pages[j / kPageSize].values + (j % kPageSize) * head_dim + d;
      const Vec weight = broadcast(scores[j]);
      if (width >= kVecs * kLanes) {
#pragma GCC unroll 4
        for (int v = 0; v < kVecs; ++v) sums[v] += weight * load(value + v * kLanes);
      } else {
        for (int v = 0; v < kVecs; ++v) {
          const int left = width - v * kLanes;
          if (left >= kLanes) {
            sums[v] += weight * load(value + v * kLanes);
          } else if (left > 0) {
            sums[v] += weight * load_partial(value + v * kLanes, left, 0.0F);
          }
        }
      }
    }
    for (int v = 0; v < kVecs; ++v) {
      const int left = width - v * kLanes;
      if (left > 0)
        store_partial(out + d + v * kLanes, sums[v] * inverse, left < kLanes ? left : kLanes);
    }
  }
}

float sum(const float* x, int64_t n) {
  return map_sum(x, n, [](Vec v) { return v; });
}

float sum_squared_distance(const float* x, float centre, int64_t n) {
  return map_sum(x, n, [centre](Vec v) { return (v - centre) * (v - centre); });
}

void silu_gate(float* out, const float* gate, const float* up, int64_t n) {
  map(out, gate, up, n, [](Vec g, Vec u) { return g / (1.0F + exp_vec(-g)) * u; });
}

// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2/π) (x + 0.044715 x³).
void gelu_tanh(float* out, const float* x, int64_t n) {
  map(out, x, x, n, [](Vec v, Vec) {
    const Vec u = 0.7978845608F * (v + 0.044715F * v * v * v);
    return v / (1.0F + exp_vec(-2.0F * u));
  });
}

float sum_exp(const float* x, float shift, int64_t n) {
  return map_sum(x, n, [shift](Vec v) { return exp_vec(v - shift); });
}

}  // namespace

extern const Kernels kTable;
const Kernels kTable = {
#define EET_QUOTE_(x) #x
#define EET_QUOTE(x) EET_QUOTE_(x)
    .name = EET_QUOTE(EET_SIMD_NAMESPACE),
    .gemm_panel = gemm_panel,
    .attend = attend,
    .sum = sum,
    .sum_squared_distance = sum_squared_distance,
    .silu_gate = silu_gate,
    .gelu_tanh = gelu_tanh,
    .sum_exp = sum_exp,
};

}  // namespace eet::simd::EET_SIMD_NAMESPACE
