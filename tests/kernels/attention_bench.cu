// Times of the attention kernels against the memory bandwidth measured in the same run. Not a test:
// ./attention_bench prints a table.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "lib/core/error.h"
#include "tests/kernels/bench.cuh"

namespace eet {
namespace {

AttentionShape heads(int num_heads, int num_kv_heads, int head_dim) {
  return {.num_heads = num_heads,
          .num_kv_heads = num_kv_heads,
          .head_dim = head_dim,
          .scale = 1.0F / std::sqrt(static_cast<float>(head_dim))};
}

AttentionShape with_window(AttentionShape shape, int window) {
  shape.window = window;
  return shape;
}
AttentionShape with_softcap(AttentionShape shape, float softcap) {
  shape.softcap = softcap;
  return shape;
}

// Keys that a query sees at most, and the keys that all queries of a prompt see.
double visible(const AttentionShape& shape, double num_keys) {
  return shape.window > 0 ? std::min<double>(shape.window, num_keys) : num_keys;
}
double visible_to_all(const AttentionShape& shape, double num_tokens) {
  const double window = visible(shape, num_tokens);
  return window * num_tokens - window * window / 2;
}

// Rows of one context length and their pages, scattered as in a running engine.
class Rows {
 public:
  Rows(const Context& ctx, DType type, const AttentionShape& shape, int num_rows, int context_len,
       int query_len)
      : num_tokens_(num_rows * query_len),
        pages_per_row_((context_len + kPageSize - 1) / kPageSize),
        keys_(ctx, type,
              {int64_t{num_rows} * pages_per_row_, shape.num_kv_heads, kPageSize, shape.head_dim},
              1.0F),
        values_(ctx, type,
                {int64_t{num_rows} * pages_per_row_, shape.num_kv_heads, kPageSize, shape.head_dim},
                1.0F),
        qkv_(ctx, type,
             {num_tokens_, int64_t{shape.num_heads + 2 * shape.num_kv_heads} * shape.head_dim},
             1.0F),
        out_(ctx, type, {num_tokens_, int64_t{shape.num_heads} * shape.head_dim}, 1.0F) {
    std::vector<int32_t> tables(static_cast<size_t>(num_rows) * pages_per_row_);
    std::iota(tables.begin(), tables.end(), 0);
    std::shuffle(tables.begin(), tables.end(), std::mt19937(1));
    std::vector<int32_t> slots(num_rows);
    std::iota(slots.begin(), slots.end(), 0);
    std::vector<int32_t> cu_seqlens;
    for (int r = 0; r <= num_rows; ++r) cu_seqlens.push_back(r * query_len);
    tables_ = upload_ints(ctx, tables);
    slots_ = upload_ints(ctx, slots);
    cu_seqlens_ = upload_ints(ctx, cu_seqlens);
    pad_counts_ = upload_ints(ctx, std::vector<int32_t>(num_rows, 0));
    context_lens_ = upload_ints(ctx, std::vector<int32_t>(num_rows, context_len));
    scratch_ = allocate(ctx, ops::attention_scratch_bytes(ctx, shape, num_rows, context_len),
                        "bench scratch");
    fill_bytes(ctx, scratch_.data(), 0, scratch_.bytes());
    batch_.num_tokens = num_tokens_;
    batch_.num_rows = num_rows;
    batch_.max_query_len = query_len;
    batch_.max_context_len = context_len;
    batch_.decode = query_len == 1;
    batch_.row_slots = slots_.as<int32_t>();
    batch_.cu_seqlens = cu_seqlens_.as<int32_t>();
    batch_.pad_counts = pad_counts_.as<int32_t>();
    batch_.context_lens = context_lens_.as<int32_t>();
    batch_.block_tables = tables_.as<int32_t>();
    batch_.block_table_stride = pages_per_row_;
  }

  void attend(const Context& ctx, const AttentionShape& shape, int copy) const {
    ops::attention(ctx, out_.view(copy), qkv_.view(copy), {keys_.view(copy), values_.view(copy)},
                   batch_, shape, ops::attention_scratch(scratch_.data(), shape, batch_.num_rows));
  }

 private:
  int num_tokens_;
  int pages_per_row_;
  Rotated keys_;
  Rotated values_;
  Rotated qkv_;
  Rotated out_;
  Buffer tables_, slots_, cu_seqlens_, pad_counts_, context_lens_, scratch_;
  ForwardBatch batch_;
};

class Bench {
 public:
  explicit Bench(const Context& ctx) : ctx_(ctx), ceilings_(measure_ceilings(ctx, DType::kBF16)) {
    print_ceilings(ctx, ceilings_);
    std::printf("%-8s %-34s %-5s %10s %9s %9s %9s\n", "kernel", "rows x tokens x heads", "dtype",
                "us", "GB/s", "TFLOP/s", "of read");
  }

  void decode(const AttentionShape& shape, int num_rows, int context_len,
              DType type = DType::kBF16) {
    const double seconds = time(type, shape, num_rows, context_len, 1);
    const double keys = num_rows * visible(shape, context_len);
    const double bytes =
        2.0 * keys * shape.num_kv_heads * shape.head_dim * static_cast<double>(dtype_size(type));
    const double flops = 4.0 * keys * shape.num_heads * shape.head_dim;
    print("decode", shape, num_rows, context_len, type, seconds, bytes, flops);
  }

  // Whole prompts. Counts the products of the causal half, as the field does.
  void prefill(const AttentionShape& shape, int num_rows, int query_len,
               DType type = DType::kBF16) {
    const double seconds = time(type, shape, num_rows, query_len, query_len);
    const double tokens = static_cast<double>(num_rows) * query_len;
    const double bytes = 2.0 * tokens * (shape.num_heads + shape.num_kv_heads) * shape.head_dim *
                         static_cast<double>(dtype_size(type));
    const double pairs = num_rows * visible_to_all(shape, query_len);
    const double flops = 4.0 * pairs * shape.num_heads * shape.head_dim;
    print("prefill", shape, num_rows, query_len, type, seconds, bytes, flops);
  }

 private:
  double time(DType type, const AttentionShape& shape, int num_rows, int context_len,
              int query_len) const {
    const Rows rows(ctx_, type, shape, num_rows, context_len, query_len);
    return seconds_per_call(
        ctx_, [&](int i) { rows.attend(ctx_, shape, i); }, query_len == 1 ? 48 : 8);
  }

  void print(const char* kernel, const AttentionShape& shape, int num_rows, int num_tokens,
             DType type, double seconds, double bytes, double flops) const {
    const std::string rules =
        concat(shape.window > 0 ? concat(" w", shape.window) : "", shape.softcap > 0 ? " cap" : "");
    const std::string name = concat(num_rows, " x ", num_tokens, " x ", shape.num_heads, "/",
                                    shape.num_kv_heads, " x ", shape.head_dim, rules);
    std::printf("%-8s %-34s %-5s %10.1f %9.0f %9.1f %8.0f%%\n", kernel, name.c_str(),
                std::string(dtype_name(type)).c_str(), seconds * 1e6, bytes / seconds / 1e9,
                flops / seconds / 1e12, 100 * bytes / seconds / ceilings_.read_bytes_per_second);
  }

  const Context& ctx_;
  Ceilings ceilings_;
};

void run(const Context& ctx) {
  Bench bench(ctx);
  const AttentionShape llama_8b = heads(32, 8, 128);
  const AttentionShape gpt2_xl = heads(25, 25, 64);
  const AttentionShape gpt2 = heads(12, 12, 64);
  for (const int rows : {1, 16, 128}) {
    for (const int context_len : {128, 512, 600, 1024}) bench.decode(llama_8b, rows, context_len);
  }
  for (const int context_len : {128, 512, 1000}) bench.decode(gpt2_xl, 32, context_len);
  for (const int rows : {16, 256}) {
    for (const int context_len : {128, 512, 1000}) bench.decode(gpt2, rows, context_len);
  }
  bench.decode(llama_8b, 1, 131072);
  bench.decode(llama_8b, 8, 16384);
  // The same bytes for every head size, many heads to a key head and one.
  for (const int head_dim : {32, 64, 80, 96, 112, 128, 160, 192, 256}) {
    bench.decode(heads(32, 8, head_dim), 128, 1024 * 128 / head_dim);
    bench.decode(heads(8, 8, head_dim), 128, 1024 * 128 / head_dim);
  }
  for (const int group : {1, 3, 4, 7, 8, 16}) bench.decode(heads(4 * group, 4, 128), 128, 1024);
  bench.decode(llama_8b, 128, 512, DType::kF16);
  bench.decode(llama_8b, 128, 512, DType::kF32);
  // By rules: a window that hides nothing beside the plain variant above, and windows of models.
  constexpr int kHidesNothing = 1 << 20;
  for (const int rows : {1, 16, 128}) {
    bench.decode(with_window(llama_8b, kHidesNothing), rows, 1024);
    bench.decode(with_window(llama_8b, 4096), rows, 6000);
    bench.decode(with_window(heads(64, 8, 64), 128), rows, 2000);
    bench.decode(with_window(heads(4, 1, 256), 512), rows, 2000);
    bench.decode(with_softcap(heads(16, 8, 256), 50), rows, 1024);
    bench.decode(heads(71, 1, 64), rows, 1024);
    bench.decode(heads(8, 1, 512), rows, 1024);
  }

  bench.prefill(llama_8b, 8, 2048);
  bench.prefill(llama_8b, 64, 512);
  bench.prefill(llama_8b, 1, 16384);
  bench.prefill(gpt2, 128, 512);
  bench.prefill(gpt2, 128, 100);
  for (const int head_dim : {32, 64, 80, 96, 112, 128, 160, 192, 256}) {
    bench.prefill(heads(4096 / head_dim, 4096 / head_dim, head_dim), 8, 2048);
  }
  bench.prefill(with_window(llama_8b, kHidesNothing), 8, 2048);
  bench.prefill(with_window(llama_8b, 4096), 1, 16384);
  bench.prefill(with_window(heads(32, 8, 96), 2047), 8, 4096);
  bench.prefill(with_window(heads(64, 8, 64), 128), 8, 2048);
  bench.prefill(with_softcap(heads(16, 8, 256), 50), 8, 2048);
  bench.prefill(with_softcap(llama_8b, 50), 8, 2048);
  bench.prefill(heads(8, 1, 512), 8, 2048);
  bench.prefill(llama_8b, 8, 2048, DType::kF16);
  bench.prefill(llama_8b, 8, 512, DType::kF32);
}

}  // namespace
}  // namespace eet

int main() {
  return eet::run_bench("attention_bench", eet::run);
}
