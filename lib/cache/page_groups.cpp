#include "lib/cache/page_groups.h"

#include <algorithm>
#include <map>

namespace eet {
namespace {

int64_t window_of(const AttentionConfig& attention, int64_t max_model_len) {
  return attention.window < max_model_len ? attention.window : 0;
}

// Layers that one position of every group takes in slabs of `slab_layers`, what they leave unused
// included.
double layers_of_position(const std::vector<PageGroup>& groups, int64_t slab_layers) {
  double layers = 0;
  for (const PageGroup& group : groups) {
    const int64_t pages = slab_layers / group.num_layers;
    layers += static_cast<double>(slab_layers) / static_cast<double>(pages);
  }
  return layers;
}

// The smallest slab that wastes next to nothing, or that of a few sizes which wastes least.
int64_t choose_slab_layers(const std::vector<PageGroup>& groups) {
  constexpr double kLittle = 1.03;
  constexpr int64_t kMostPages = 4;  // of the group with most layers
  int64_t most = 0;
  int64_t all = 0;
  for (const PageGroup& group : groups) {
    most = std::max(most, group.num_layers);
    all += group.num_layers;
  }
  int64_t best = most;
  for (int64_t layers = most; layers <= kMostPages * most; ++layers) {
    if (layers_of_position(groups, layers) < layers_of_position(groups, best)) best = layers;
    if (layers_of_position(groups, best) <= kLittle * static_cast<double>(all)) break;
  }
  return best;
}

}  // namespace

int64_t PageGroups::slabs_for(std::span<const int64_t> pages) const {
  int64_t slabs = 0;
  for (size_t group = 0; group < groups.size(); ++group) {
    const int64_t of_slab = pages_of_slab(group);
    slabs += (pages[group] + of_slab - 1) / of_slab;
  }
  return slabs;
}

PageGroups page_groups(std::vector<PageGroup> groups) {
  const int64_t slab_layers = choose_slab_layers(groups);
  return {.groups = std::move(groups), .slab_layers = slab_layers};
}

PageGroups page_groups(const ModelConfig& config, int64_t max_model_len) {
  std::map<int64_t, int64_t> layers;  // by window
  for (int64_t i = 0; i < config.num_layers(); ++i) {
    ++layers[window_of(config.layer(i).attention, max_model_len)];
  }
  std::vector<PageGroup> groups;
  groups.reserve(layers.size());
  for (const auto& [window, count] : layers) {
    groups.push_back({.window = window, .num_layers = count});
  }
  return page_groups(std::move(groups));
}

std::vector<LayerPlace> layer_places(const ModelConfig& config, const PageGroups& groups,
                                     int64_t max_model_len) {
  std::vector<LayerPlace> places;
  std::vector<int64_t> seen(groups.groups.size(), 0);
  for (int64_t i = 0; i < config.num_layers(); ++i) {
    const int64_t window = window_of(config.layer(i).attention, max_model_len);
    const auto found = std::find_if(groups.groups.begin(), groups.groups.end(),
                                    [&](const PageGroup& group) { return group.window == window; });
    const auto group = static_cast<size_t>(found - groups.groups.begin());
    places.push_back({.group = group, .index = seen[group]++});
  }
  return places;
}

}  // namespace eet
