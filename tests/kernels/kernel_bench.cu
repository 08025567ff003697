// Times of the row-wise kernels and of the matrix products, against ceilings measured in the same
// run. Not a test: ./kernel_bench prints a table.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda_check.h"
#include "lib/core/memory.h"
#include "lib/cuda/cuda_context.h"
#include "lib/ops/ops.h"
#include "tests/kernels/bench.cuh"

namespace eet {
namespace {

constexpr double kMega = 1e6;

class Bench {
 public:
  explicit Bench(const Context& ctx) : ctx_(ctx), ceilings_(measure_ceilings(ctx, DType::kBF16)) {
    print_ceilings(ctx, ceilings_);
    std::printf("%-22s %-26s %-5s %10s %9s %9s %6s\n", "kernel", "shape", "dtype", "us", "GB/s",
                "TFLOP/s", "limit");
  }

  void embed(DType type, int64_t tokens, int64_t hidden) {
    constexpr int64_t kVocab = 50257;
    const Rotated table(ctx_, type, {kVocab, hidden}, 1.0F);
    const Rotated residual(ctx_, DType::kF32, {tokens, hidden}, 1.0F);
    std::vector<int32_t> ids;
    for (int64_t t = 0; t < tokens; ++t) ids.push_back(static_cast<int32_t>(t * 7919 % kVocab));
    const Buffer id_buffer = upload_ints(ctx_, ids);
    const double seconds = seconds_per_call(ctx_, [&](int i) {
      ops::embed(ctx_, residual.view(i), id_buffer.as<int32_t>(), id_buffer.as<int32_t>(),
                 table.view(i), {});
    });
    print_moved("embed", shape(tokens, hidden), type, seconds, tokens * hidden * (size(type) + 4));
  }

  void add_norm(DType type, int64_t tokens, int64_t hidden, NormKind kind) {
    const Rotated residual(ctx_, DType::kF32, {tokens, hidden}, 1.0F);
    const Rotated delta(ctx_, type, {tokens, hidden}, 1e-3F);
    const Rotated out(ctx_, type, {tokens, hidden}, 1.0F);
    const Rotated weight(ctx_, type, {hidden}, 1.0F);
    const bool layer = kind == NormKind::kLayerNorm;
    const double seconds = seconds_per_call(ctx_, [&](int i) {
      ops::add_norm(ctx_, out.view(i), residual.view(i), delta.view(i),
                    {.kind = kind,
                     .eps = 1e-5F,
                     .weight = weight.view(0),
                     .bias = layer ? weight.view(0) : TensorView()});
    });
    print_moved(layer ? "add_norm layer" : "add_norm rms", shape(tokens, hidden), type, seconds,
                tokens * hidden * (8 + 2 * size(type)));
  }

  // The norms around the residual addition, of models that norm what a block gives.
  void post_norm(DType type, int64_t tokens, int64_t hidden) {
    const Rotated residual(ctx_, DType::kF32, {tokens, hidden}, 1.0F);
    const Rotated delta(ctx_, type, {tokens, hidden}, 1e-3F);
    const Rotated out(ctx_, type, {tokens, hidden}, 1.0F);
    const Rotated weight(ctx_, type, {hidden}, 1.0F);
    const Norm norm = {.eps = 1e-5F, .weight = weight.view(0)};
    const double seconds = seconds_per_call(ctx_, [&](int i) {
      ops::post_norm_add_norm(ctx_, out.view(i), residual.view(i), delta.view(i), norm, norm);
    });
    print_moved("post_norm_add_norm rms", shape(tokens, hidden), type, seconds,
                tokens * hidden * (8 + 2 * size(type)));
  }

  // What comes before decode attention that appends.
  void qk_norm(DType type, int64_t tokens, const AttentionShape& heads) {
    const int64_t row = (heads.num_heads + 2 * heads.num_kv_heads) * heads.head_dim;
    const Rotated qkv(ctx_, type, {tokens, row}, 1.0F);
    const Rotated weight(ctx_, type, {heads.head_dim}, 1.0F);
    const Norm each = {.eps = 1e-5F, .weight = weight.view(0)};
    const QkNorm norm = {each, each, heads.head_dim, heads.head_dim};
    const double seconds =
        seconds_per_call(ctx_, [&](int i) { ops::qk_norm(ctx_, qkv.view(i), heads, norm); });
    const int64_t moved_heads = heads.num_heads + heads.num_kv_heads;
    print_moved("qk_norm", heads_of(tokens, heads), type, seconds,
                2 * tokens * moved_heads * heads.head_dim * size(type));
  }

  void activation(DType type, int64_t tokens, int64_t width, Activation kind, bool gated) {
    const Rotated x(ctx_, type, {tokens, gated ? 2 * width : width}, 1.0F);
    const Rotated out(ctx_, type, {tokens, width}, 1.0F);
    const double seconds = seconds_per_call(
        ctx_, [&](int i) { ops::activation(ctx_, out.view(i), x.view(i), kind, gated); });
    print_moved(gated ? "activation silu gated" : "activation gelu tanh", shape(tokens, width),
                type, seconds, tokens * width * (gated ? 3 : 2) * size(type));
  }

  // Every token the first of its own slot's second page, as in a decode step.
  // q_width: of groups that are normalised on the way; 0: none.
  void rope_append(DType type, int64_t tokens, const AttentionShape& heads, bool rotate,
                   int64_t q_width = 0) {
    const int64_t row = (heads.num_heads + 2 * heads.num_kv_heads) * heads.head_dim;
    const Rotated qkv(ctx_, type, {tokens, row}, 1.0F);
    const Rotated pages(ctx_, type, {tokens, heads.num_kv_heads, kPageSize, heads.head_dim}, 1.0F);
    const Rotated table(ctx_, DType::kF32, {2 * kPageSize, heads.head_dim / 2, 2}, 0.5F);
    std::vector<int32_t> slots;
    std::vector<int32_t> tables;
    for (int32_t t = 0; t < tokens; ++t) {
      slots.push_back(t);
      tables.insert(tables.end(), {-1, t});
    }
    const Buffer positions = upload_ints(ctx_, std::vector<int32_t>(tokens, kPageSize));
    const Buffer token_slots = upload_ints(ctx_, slots);
    const Buffer block_tables = upload_ints(ctx_, tables);
    ForwardBatch batch;
    batch.num_tokens = static_cast<int>(tokens);
    batch.positions = positions.as<int32_t>();
    batch.token_slots = token_slots.as<int32_t>();
    batch.block_tables = block_tables.as<int32_t>();
    batch.block_table_stride = 2;
    const int64_t group = q_width / heads.head_dim;
    const int64_t k_width = group > 1 ? heads.num_kv_heads * heads.head_dim : q_width;
    const Rotated q_weight(ctx_, type, {std::max<int64_t>(q_width, 1)}, 1.0F);
    const Rotated k_weight(ctx_, type, {std::max<int64_t>(k_width, 1)}, 1.0F);
    const QkNorm norm = {{.eps = 1e-5F, .weight = q_weight.view(0)},
                         {.eps = 1e-5F, .weight = k_weight.view(0)},
                         q_width,
                         k_width};
    const double seconds = seconds_per_call(ctx_, [&](int i) {
      ops::rope_append(ctx_, qkv.view(i), {pages.view(i), pages.view(i)}, batch, heads,
                       {rotate ? table.view(0) : TensorView()}, norm);
    });
    const int64_t moved_heads = (rotate ? heads.num_heads : 0) + 2 * heads.num_kv_heads;
    print_moved(group > 1     ? "projection norm + rope"
                : q_width > 0 ? "head norm + rope"
                : rotate      ? "rope_append"
                              : "append",
                heads_of(tokens, heads), type, seconds,
                2 * tokens * moved_heads * heads.head_dim * size(type));
  }

  void linear(DType type, DType out_type, int64_t n, int64_t out_features, int64_t in_features) {
    const Rotated x(ctx_, type, {n, in_features}, 1.0F);
    const Rotated weight(ctx_, type, {out_features, in_features}, 0.02F);
    const Rotated out(ctx_, out_type, {n, out_features}, 1.0F);
    const double seconds = seconds_per_call(ctx_, [&](int i) {
      ops::linear(ctx_, out.view(i), x.view(i),
                  {.data = weight.view(i),
                   .in_features = in_features,
                   .out_features = out_features,
                   .padded_out = out_features},
                  {});
    });
    print_product("linear", type, out_type, n, out_features, in_features, seconds);
  }

  // A product with its activation: of gates and their partners where `gated`.
  void linear_activation(int64_t n, int64_t out_features, int64_t in_features, bool gated) {
    constexpr DType kType = DType::kBF16;
    const Rotated x(ctx_, kType, {n, in_features}, 1.0F);
    const Rotated weight(ctx_, kType, {out_features, in_features}, 0.02F);
    const Rotated up(ctx_, kType, {n, out_features}, 1.0F);
    const Rotated out(ctx_, kType, {n, gated ? out_features / 2 : out_features}, 1.0F);
    const double seconds = seconds_per_call(ctx_, [&](int i) {
      ops::linear_activation(ctx_, out.view(i), up.view(i), x.view(i),
                             {.data = weight.view(i),
                              .in_features = in_features,
                              .out_features = out_features,
                              .padded_out = out_features},
                             {}, gated ? Activation::kSilu : Activation::kGeluTanh, gated);
    });
    print_product(gated ? "linear silu gated" : "linear gelu tanh", kType, kType, n, out_features,
                  in_features, seconds);
  }

 private:
  void print_product(const char* kernel, DType type, DType out_type, int64_t n,
                     int64_t out_features, int64_t in_features, double seconds) const {
    const double bytes = static_cast<double>((n + out_features) * in_features * size(type) +
                                             n * out_features * size(out_type));
    const double flops = 2.0 * static_cast<double>(n) * static_cast<double>(out_features) *
                         static_cast<double>(in_features);
    const double limit =
        std::max(bytes / ceilings_.read_bytes_per_second, flops / ceilings_.flops_per_second);
    print(kernel,
          std::to_string(n) + " x " + std::to_string(out_features) + " x " +
              std::to_string(in_features),
          type, seconds, bytes, flops, limit);
  }

  static int64_t size(DType type) { return static_cast<int64_t>(dtype_size(type)); }
  static std::string shape(int64_t rows, int64_t columns) {
    return std::to_string(rows) + " x " + std::to_string(columns);
  }

  static std::string heads_of(int64_t tokens, const AttentionShape& heads) {
    return std::to_string(tokens) + " x " + std::to_string(heads.num_heads) + "/" +
           std::to_string(heads.num_kv_heads) + " x " + std::to_string(heads.head_dim);
  }

  void print_moved(const char* kernel, const std::string& shape, DType type, double seconds,
                   int64_t bytes) const {
    const auto moved = static_cast<double>(bytes);
    print(kernel, shape, type, seconds, moved, 0, moved / ceilings_.copy_bytes_per_second);
  }

  static void print(const char* kernel, const std::string& shape, DType type, double seconds,
                    double bytes, double flops, double limit_seconds) {
    std::printf("%-22s %-26s %-5s %10.2f %9.0f %9.1f %5.0f%%\n", kernel, shape.c_str(),
                std::string(dtype_name(type)).c_str(), seconds * kMega, bytes / seconds / 1e9,
                flops / seconds / 1e12, 100 * limit_seconds / seconds);
  }

  const Context& ctx_;
  Ceilings ceilings_;
};

void run(const Context& ctx) {
  Bench bench(ctx);
  constexpr DType kType = DType::kBF16;
  const AttentionShape llama_8b{.num_heads = 32, .num_kv_heads = 8, .head_dim = 128};
  const AttentionShape gpt2{.num_heads = 12, .num_kv_heads = 12, .head_dim = 64};
  const AttentionShape gemma_1b{.num_heads = 4, .num_kv_heads = 1, .head_dim = 256};
  const AttentionShape olmo_7b{.num_heads = 32, .num_kv_heads = 32, .head_dim = 128};
  for (const int64_t tokens : {1, 128, 8192}) {
    bench.embed(kType, tokens, 4096);
    bench.add_norm(kType, tokens, 4096, NormKind::kRmsNorm);
    bench.add_norm(kType, tokens, 768, NormKind::kLayerNorm);
    bench.add_norm(kType, tokens, 16384, NormKind::kRmsNorm);
    bench.rope_append(kType, tokens, llama_8b, true);
    bench.rope_append(kType, tokens, gpt2, false);
    bench.post_norm(kType, tokens, 1152);
    bench.post_norm(kType, tokens, 4096);
    bench.qk_norm(kType, tokens, gemma_1b);
    bench.qk_norm(kType, tokens, llama_8b);
    bench.rope_append(kType, tokens, gemma_1b, true, gemma_1b.head_dim);
    bench.rope_append(kType, tokens, llama_8b, true, llama_8b.head_dim);
    bench.rope_append(kType, tokens, olmo_7b, true, 4096);
    bench.activation(kType, tokens, 14336, Activation::kSilu, true);
    bench.activation(kType, tokens, 3072, Activation::kGeluTanh, false);
  }
  bench.add_norm(kType, 8192, 111, NormKind::kLayerNorm);
  bench.add_norm(DType::kF32, 8192, 4096, NormKind::kRmsNorm);
  // qkv, attention out and down of 8B, 1B, XL, 124M and Gemma 3 1B.
  constexpr int64_t kShapes[][2] = {{6144, 4096}, {4096, 4096}, {4096, 14336}, {3072, 2048},
                                    {2048, 2048}, {2048, 8192}, {4800, 1600},  {1600, 1600},
                                    {1600, 6400}, {2304, 768},  {768, 768},    {768, 3072},
                                    {1536, 1152}, {1152, 1024}, {1152, 6912}};
  for (const auto& [out_features, in_features] : kShapes) {
    for (const int64_t n : {1, 16, 32, 64, 128, 256, 8192}) {
      bench.linear(kType, kType, n, out_features, in_features);
    }
  }
  for (const int64_t n : {1, 16, 32, 64, 128, 256, 8192}) {
    bench.linear_activation(n, 28672, 4096, /*gated=*/true);
    bench.linear_activation(n, 16384, 2048, /*gated=*/true);
    bench.linear_activation(n, 13824, 1152, /*gated=*/true);
    bench.linear_activation(n, 6400, 1600, /*gated=*/false);
    bench.linear_activation(n, 3072, 768, /*gated=*/false);
  }
  for (const int64_t n : {1, 32, 64, 128, 256}) {
    bench.linear(kType, DType::kF32, n, 50304, 768);
    bench.linear(kType, DType::kF32, n, 128256, 4096);
    bench.linear(kType, DType::kF32, n, 262144, 1152);
  }
  for (const int64_t n : {1, 128, 1024}) bench.linear(DType::kF32, DType::kF32, n, 4096, 4096);
}

}  // namespace
}  // namespace eet

int main() {
  return eet::run_bench("kernel_bench", eet::run);
}
