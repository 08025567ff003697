// A decode step's attention that appends the newest tokens, against the two operations it stands
// for; and the memory that split rows need.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <vector>

#include "lib/ops/ops.h"
#include "tests/kernels/attention_parts.h"
#include "tests/kernels/attention_pass.h"
#include "tests/kernels/device_test.h"

namespace eet::test {
namespace {

// How heads turn. rotary_dim 0: they do not.
struct Rotation {
  int rotary_dim = 0;
  bool interleaved = false;
  bool has_rows = false;  // of the table that are not the positions
};

// The norm of q and k. Without a kind there is none.
struct QkNormCase {
  QkNormKind kind = QkNormKind::kNone;
  NormKind norm = NormKind::kRmsNorm;
};

// One step of rows of these lengths, whose newest token is in qkv only: outputs and pages.
std::vector<uint8_t> append_and_attend(const Context& ctx, DType type, AttentionShape shape,
                                       const std::vector<int32_t>& context_lens,
                                       const Rotation& rotation, const PerHead& per_head,
                                       const QkNormCase& qk_norm, bool in_one) {
  const auto num_rows = static_cast<int64_t>(context_lens.size());
  const int longest = *std::max_element(context_lens.begin(), context_lens.end());
  const int stride = (longest + kPageSize - 1) / kPageSize + 1;  // pages of a row
  std::vector<int32_t> tables(static_cast<size_t>(num_rows * stride));
  std::iota(tables.rbegin(), tables.rend(), 0);
  std::vector<int32_t> slots(static_cast<size_t>(num_rows));
  std::iota(slots.rbegin(), slots.rend(), 0);
  std::vector<int32_t> newest = context_lens;
  for (int32_t& position : newest) --position;
  const int64_t heads = shape.num_heads + 2 * int64_t{shape.num_kv_heads};
  const auto random = [&](std::initializer_list<int64_t> sizes, uint32_t seed, DType as) {
    int64_t count = 1;
    for (const int64_t size : sizes) count *= size;
    return Tensor(ctx, as, sizes, random_values(count, seed));
  };
  const Tensor qkv = random({num_rows, heads * shape.head_dim}, 1, type);
  const Tensor keys =
      random({num_rows * stride, shape.num_kv_heads, kPageSize, shape.head_dim}, 2, type);
  const Tensor values =
      random({num_rows * stride, shape.num_kv_heads, kPageSize, shape.head_dim}, 3, type);
  const int half = rotation.rotary_dim == 0 ? 1 : rotation.rotary_dim / 2;
  const Tensor table = random({stride * kPageSize + 5, half, 2}, 4, DType::kF32);
  const Tensor sinks = random({shape.num_heads}, 5, DType::kF32);
  const Tensor slopes = random({shape.num_heads}, 6, DType::kF32);
  if (per_head.has_sinks) shape.sinks = sinks;
  if (per_head.has_alibi) shape.alibi_slopes = slopes;
  const Tensor out(ctx, type, {num_rows, int64_t{shape.num_heads} * shape.head_dim});
  const Tensor positions = int_tensor(ctx, newest);
  std::vector<int32_t> rows = newest;
  for (int32_t& row : rows) row += 5;
  const Tensor rope_rows = int_tensor(ctx, rows);
  const Tensor row_slots = int_tensor(ctx, slots);
  const Tensor lengths = int_tensor(ctx, context_lens);
  const Tensor block_tables = int_tensor(ctx, tables);
  ForwardBatch batch;
  batch.decode = true;
  batch.num_rows = batch.num_tokens = static_cast<int>(num_rows);
  batch.max_query_len = 1;
  batch.max_context_len = longest;
  batch.positions = positions.as<int32_t>();
  batch.rope_positions = rotation.has_rows ? rope_rows.as<int32_t>() : nullptr;
  batch.token_slots = batch.row_slots = row_slots.as<int32_t>();
  batch.context_lens = lengths.as<int32_t>();
  batch.block_tables = block_tables.as<int32_t>();
  batch.block_table_stride = stride;
  const Scratch scratch(ctx, shape, batch.num_rows, 2048);
  const KvLayer kv = {keys, values};
  const RopeTable rope = {rotation.rotary_dim == 0 ? TensorView() : table.view(),
                          rotation.interleaved};
  const auto size_of = [&](int count) { return int64_t{count} * shape.head_dim; };
  const auto width_of = [&](int count, bool whole) {
    if (qk_norm.kind == QkNormKind::kNone) return int64_t{0};
    return whole ? size_of(count) : int64_t{shape.head_dim};
  };
  const bool own_weights = qk_norm.kind != QkNormKind::kHead;
  const bool whole = qk_norm.kind == QkNormKind::kProjection;
  const Tensor q_weights = random({size_of(own_weights ? shape.num_heads : 1)}, 7, type);
  const Tensor k_weights = random({size_of(own_weights ? shape.num_kv_heads : 1)}, 8, type);
  const auto norm_of = [&](const Tensor& weights) {
    return Norm{.kind = qk_norm.norm, .eps = 1e-6F, .weight_offset = 1, .weight = weights};
  };
  const QkNorm norm = {norm_of(q_weights), norm_of(k_weights), width_of(shape.num_heads, whole),
                       width_of(shape.num_kv_heads, whole)};
  if (in_one) {
    ops::append_attention(ctx, out, qkv, kv, batch, shape, rope, norm, scratch.view());
  } else {
    ops::rope_append(ctx, qkv, kv, batch, shape, rope, norm);
    ops::attention(ctx, out, qkv, kv, batch, shape, scratch.view());
  }
  scratch.check();
  std::vector<uint8_t> all = out.read_bytes();
  for (const Tensor* pages : {&keys, &values}) {
    const std::vector<uint8_t> more = pages->read_bytes();
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

void check_same_bits(const Context& ctx, DType type, const AttentionShape& shape,
                     const Rotation& rotation, const std::vector<int32_t>& context_lens,
                     const PerHead& per_head = {}, const QkNormCase& qk_norm = {}) {
  CAPTURE(dtype_name(type));
  CAPTURE(shape.num_heads);
  CAPTURE(shape.head_dim);
  CAPTURE(shape.window);
  CAPTURE(shape.softcap);
  CAPTURE(rotation.rotary_dim);
  CAPTURE(rotation.interleaved);
  CAPTURE(rotation.has_rows);
  CAPTURE(static_cast<int>(qk_norm.kind));
  CAPTURE(static_cast<int>(qk_norm.norm));
  const auto run = [&](bool in_one) {
    return append_and_attend(ctx, type, shape, context_lens, rotation, per_head, qk_norm, in_one);
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("appending and attending in one kernel gives the bits of two") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<int32_t> lens = {
      1, 2, 15, 17, 64, 65, 128, 129, 700, kLongestUnsplit, kLongestUnsplit + 1, 2100};
  const AttentionShape shapes[] = {heads(12, 12, 64), heads(32, 8, 128), heads(8, 1, 80),
                                   heads(16, 1, 96),  heads(6, 2, 256),  heads(4, 4, 112),
                                   heads(4, 2, 40),   heads(2, 1, 32)};
  for (const DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
    for (const AttentionShape& shape : shapes) {
      check_same_bits(devices->cuda, type, shape, {.rotary_dim = shape.head_dim}, lens);
      check_same_bits(devices->cuda, type, shape, {}, lens);
    }
  }
}

TEST_CASE("appending in one kernel gives the bits of two for every rotation and rule") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<int32_t> lens = {1, 17, 129, 300};
  const std::vector<int32_t> split_lens = {kLongestUnsplit + 1};
  for (const DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
    // Groups of one block and of several, and the whole of the last warp's fetch.
    for (AttentionShape shape : {heads(8, 8, 64), heads(16, 1, 80), heads(8, 2, 128),
                                 heads(20, 1, 96), heads(4, 2, 256), heads(2, 1, 512)}) {
      for (const Rotation& rotation :
           {Rotation{.rotary_dim = 32}, Rotation{.rotary_dim = 20},
            Rotation{.rotary_dim = 64, .interleaved = true},
            Rotation{.rotary_dim = 22, .interleaved = true, .has_rows = true},
            Rotation{.rotary_dim = shape.head_dim, .has_rows = true},
            Rotation{.rotary_dim = shape.head_dim}, Rotation{}}) {
        shape.window = 0;
        shape.softcap = 0;
        check_same_bits(devices->cuda, type, shape, rotation, lens);
        shape.window = 150;
        check_same_bits(devices->cuda, type, shape, rotation, lens, {.has_sinks = true});
        shape.softcap = 2.0F;
        check_same_bits(devices->cuda, type, shape, rotation, lens,
                        {.has_sinks = true, .has_alibi = true});
      }
      check_same_bits(devices->cuda, type, shape, {.rotary_dim = 20}, split_lens,
                      {.has_sinks = true, .has_alibi = true});
    }
  }
}

TEST_CASE("appending in one kernel gives the bits of two behind a norm of q and k") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<int32_t> lens = {1, 17, 129, 300};
  for (const DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
    for (const AttentionShape& shape : {heads(32, 8, 128), heads(4, 1, 256), heads(5, 5, 80),
                                        heads(6, 2, 40), heads(2, 1, 512)}) {
      for (const QkNormKind kind :
           {QkNormKind::kHead, QkNormKind::kEachHead, QkNormKind::kProjection}) {
        for (const NormKind norm : {NormKind::kRmsNorm, NormKind::kLayerNorm}) {
          for (const Rotation& rotation :
               {Rotation{.rotary_dim = shape.head_dim}, Rotation{}, Rotation{.rotary_dim = 20},
                Rotation{.rotary_dim = 32, .interleaved = true, .has_rows = true}}) {
            check_same_bits(devices->cuda, type, shape, rotation, lens, {}, {kind, norm});
          }
        }
      }
    }
  }
}

TEST_CASE("attention scratch stays bounded as contexts grow") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const AttentionShape shape = heads(32, 8, 128);
  const auto bytes = [&](int rows, int64_t length) {
    return ops::attention_scratch_bytes(devices->cuda, shape, rows, length);
  };
  CHECK(bytes(64, kLongestUnsplit) == 0);
  CHECK(bytes(64, kLongestUnsplit + 1) > 0);
  CHECK(bytes(64, 131072) == bytes(64, 32768));
  CHECK(bytes(64, 131072) <= size_t{64} * (32 * 32 * (128 + 2) + 8) * 4);
}

TEST_CASE("a window bounds attention scratch") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  AttentionShape shape = heads(32, 8, 128);
  const auto bytes = [&](int window, int64_t length) {
    shape.window = window;
    return ops::attention_scratch_bytes(devices->cuda, shape, 64, length);
  };
  CHECK(bytes(1000, 131072) == 0);
  CHECK(bytes(4096, 131072) == bytes(4096, 8192));
  CHECK(bytes(4096, 131072) < bytes(0, 131072));
  CHECK(bytes(8192, 3000) == bytes(0, 3000));
}

TEST_CASE("the longest context split alike needs the same scratch, and one token more other") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const auto bytes = [&](int64_t length) {
    return ops::attention_scratch_bytes(devices->cuda, heads(8, 8, 64), 1, length);
  };
  constexpr int kSplit = 8 * kPageSize;
  for (const int length : {1, kLongestUnsplit, kLongestUnsplit + 1, kLongestUnsplit + kSplit,
                           kLongestUnsplit + kSplit + 1, 9000, 32000}) {
    CAPTURE(length);
    const int64_t longest = ops::longest_context_split_alike(devices->cuda, length);
    CHECK(longest >= length);
    CHECK(bytes(longest) == bytes(length));
    CHECK(bytes(longest + 1) > bytes(length));
  }
  CHECK(ops::longest_context_split_alike(devices->cuda, 1) == kLongestUnsplit);
  CHECK(ops::longest_context_split_alike(devices->cuda, 40000) > 1 << 30);
}

}  // namespace
}  // namespace eet::test
