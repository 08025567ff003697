// The pages themselves: keys and values of all layers.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/cache/page_groups.h"
#include "lib/core/memory.h"
#include "lib/ops/ops.h"

namespace eet {

// Memory is cut in slabs (PageGroups), and the pages of a slab in planes, one for each layer and
// one each for its keys and its values: [slab_layers, 2, num_slabs, num_kv_heads, kPageSize,
// head_dim]. Page k of slab s of a group with n layers has the planes of layers [k * n, k * n + n).
// Its number, which is what block tables say, is s + k * page_stride(): it leads from the pages of
// a layer, seen as if each were first in its slab, to this one.
class KvCache {
 public:
  KvCache(const Context& ctx, const ModelConfig& config, DType dtype, const PageGroups& groups,
          int64_t max_model_len, int64_t num_slabs);

  static int64_t slab_bytes(const ModelConfig& config, DType dtype, const PageGroups& groups);

  // The group of layer `i`, and its keys and values: [page numbers, num_kv_heads, kPageSize,
  // head_dim] each. Numbers that no page of the group has lead to other layers' memory.
  size_t group_of(int64_t i) const { return places_[static_cast<size_t>(i)].group; }
  KvLayer layer(int64_t i) const;

  // Copies a page's keys and values in all layers of its group.
  void copy_page(size_t group, int32_t from, int32_t to);

  int64_t num_slabs() const { return one_.dim(0); }

  // What one of `num_slabs` takes.
  static MemoryItem memory(const ModelConfig& config, DType dtype, const PageGroups& groups,
                           int64_t num_slabs);

 private:
  const Context& ctx_;
  PageGroups groups_;
  std::vector<LayerPlace> places_;
  Buffer buffer_;
  TensorView one_;  // shape of a plane
};

}  // namespace eet
