// What the tests of attention share.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "lib/ops/ops.h"
#include "tests/kernels/device_test.h"

namespace eet::test {

inline constexpr int kLongestUnsplit = 12 * kPageSize;  // tokens of a row that is not split

inline AttentionShape heads(int num_heads, int num_kv_heads, int head_dim) {
  return {.num_heads = num_heads,
          .num_kv_heads = num_kv_heads,
          .head_dim = head_dim,
          .scale = 1.0F / std::sqrt(static_cast<float>(head_dim))};
}

inline Tensor int_tensor(const Context& ctx, const std::vector<int32_t>& values) {
  return Tensor(ctx, {static_cast<int64_t>(values.size())}, values);
}

// Memory of attention, poisoned but for what begins, and has to end, as zeros.
class Scratch {
 public:
  Scratch(const Context& ctx, const AttentionShape& shape, int num_rows, int64_t max_context_len)
      : memory_(ctx, DType::kI32,
                {static_cast<int64_t>(
                     ops::attention_scratch_bytes(ctx, shape, num_rows, max_context_len)) /
                 4}),
        view_(memory_.view().numel() == 0
                  ? AttentionScratch()
                  : ops::attention_scratch(memory_.as<void>(), shape, num_rows)),
        num_arrivals_(view_.arrivals == nullptr
                          ? 0
                          : static_cast<uint32_t*>(view_.partials) - view_.arrivals) {
    fill_bytes(ctx, view_.arrivals, 0, static_cast<size_t>(num_arrivals_) * sizeof(uint32_t));
  }
  const AttentionScratch& view() const { return view_; }

  // After all work issued so far: the guard zones, and the zeros.
  void check() const {
    const std::vector<int32_t> all = memory_.read_ints();
    CHECK(std::all_of(all.begin(), all.begin() + num_arrivals_, [](int32_t n) { return n == 0; }));
  }

 private:
  Tensor memory_;
  AttentionScratch view_;
  int64_t num_arrivals_;
};

}  // namespace eet::test
