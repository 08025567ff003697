// Which layers have their keys and values in pages of their own, and how pages share memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lib/model/config.h"

namespace eet {

// Layers that need the same positions: a row has one block table for all of them.
struct PageGroup {
  int64_t window = 0;  // positions back that they read, the newest included; 0: all
  int64_t num_layers = 1;

  bool operator==(const PageGroup&) const = default;
};

// The groups of a model, and the slabs that their pages are cut from: a slab is memory for one page
// of slab_layers layers, and holds as many pages of one group as have room in it. A free slab may
// become any group's, so that no group runs out of pages while another has some to spare.
struct PageGroups {
  std::vector<PageGroup> groups = {{}};  // by window; the one without, where there is one, first
  int64_t slab_layers = 1;               // at least as many as any group has

  int64_t pages_of_slab(size_t group) const { return slab_layers / groups[group].num_layers; }
  // Slabs that hold so many pages of each group, and nothing else.
  int64_t slabs_for(std::span<const int64_t> pages) const;
  // From the number of a page to that of the next page of the same slab, where there are
  // `num_slabs`; and what all page numbers of the group are below.
  int64_t page_stride(size_t group, int64_t num_slabs) const {
    return 2 * groups[group].num_layers * num_slabs;
  }
  int64_t end_of_page_numbers(size_t group, int64_t num_slabs) const {
    return (pages_of_slab(group) - 1) * page_stride(group, num_slabs) + num_slabs;
  }
  bool has_windows() const { return groups.back().window > 0; }
  bool operator==(const PageGroups&) const = default;
};

// Where a layer's keys and values are.
struct LayerPlace {
  size_t group = 0;
  int64_t index = 0;  // among the group's layers
};

// The groups of a model whose rows have up to `max_model_len` positions: a window that reaches all
// of them is none.
PageGroups page_groups(const ModelConfig& config, int64_t max_model_len);
// By layer; `groups` as page_groups() gave them.
std::vector<LayerPlace> layer_places(const ModelConfig& config, const PageGroups& groups,
                                     int64_t max_model_len);
// The same with layers of these groups, at least one.
PageGroups page_groups(std::vector<PageGroup> groups);

}  // namespace eet
