// What the tests of mixtures of experts share: groups on one device and on the other.
#pragma once

#include <numeric>
#include <vector>

#include "lib/ops/experts.h"
#include "tests/kernels/device_test.h"

namespace eet::test {

// Groups in memory of their own, with an end that tests find overwritten.
class GroupsMemory {
 public:
  GroupsMemory(const Context& ctx, int num_experts, int top_k, int64_t max_rows)
      : ctx_(&ctx),
        num_experts_(num_experts),
        top_k_(top_k),
        memory_(ctx, DType::kI32,
                {static_cast<int64_t>(ops::expert_groups_bytes(num_experts, top_k, max_rows) /
                                      sizeof(int32_t))}) {}

  ExpertGroups groups(int64_t num_rows, int tile_rows = 0) const {
    return ops::expert_groups(memory_.as<void>(), num_experts_, top_k_, num_rows, tile_rows);
  }

  // `count` elements of an array of the groups, after all work so far.
  template <typename T>
  std::vector<T> read(const T* array, int64_t count) const {
    std::vector<T> values(static_cast<size_t>(count));
    download(*ctx_, values.data(), array, values.size() * sizeof(T));
    synchronize(*ctx_);
    return values;
  }
  void check_guards() const { static_cast<void>(memory_.read_bytes()); }

 private:
  const Context* ctx_;
  int num_experts_;
  int top_k_;
  Tensor memory_;
};

inline std::vector<int32_t> positions_of(int64_t num_rows) {
  std::vector<int32_t> positions(static_cast<size_t>(num_rows));
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

}  // namespace eet::test
