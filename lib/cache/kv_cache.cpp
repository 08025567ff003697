#include "lib/cache/kv_cache.h"

#include <sstream>

namespace eet {

int64_t KvCache::slab_bytes(const ModelConfig& config, DType dtype, const PageGroups& groups) {
  return 2 * groups.slab_layers * config.attention().kv_size() *
         static_cast<int64_t>(dtype_size(dtype)) * kPageSize;
}

KvCache::KvCache(const Context& ctx, const ModelConfig& config, DType dtype,
                 const PageGroups& groups, int64_t max_model_len, int64_t num_slabs)
    : ctx_(ctx),
      groups_(groups),
      places_(layer_places(config, groups, max_model_len)),
      buffer_(allocate(ctx, slab_bytes(config, dtype, groups) * num_slabs, "KV pages")),
      one_(buffer_.data(), dtype,
           {num_slabs, config.attention().num_kv_heads, kPageSize, config.attention().head_dim}) {}

KvLayer KvCache::layer(int64_t i) const {
  const LayerPlace& place = places_[static_cast<size_t>(i)];
  KvLayer layer{.keys = one_, .values = one_};
  layer.keys.data = buffer_.as<std::byte>() + 2 * place.index * one_.bytes();
  layer.values.data = buffer_.as<std::byte>() + (2 * place.index + 1) * one_.bytes();
  const int64_t numbers = groups_.end_of_page_numbers(place.group, num_slabs());
  layer.keys.shape[0] = numbers;
  layer.values.shape[0] = numbers;
  return layer;
}

void KvCache::copy_page(size_t group, int32_t from, int32_t to) {
  const int64_t page_bytes = one_.bytes() / one_.dim(0);
  copy_rows(ctx_, buffer_.as<std::byte>() + to * page_bytes,
            buffer_.as<std::byte>() + from * page_bytes, static_cast<size_t>(page_bytes),
            static_cast<size_t>(one_.bytes()), 2 * groups_.groups[group].num_layers);
}

MemoryItem KvCache::memory(const ModelConfig& config, DType dtype, const PageGroups& groups,
                           int64_t num_slabs) {
  std::ostringstream name;
  name << "KV cache (" << num_slabs;
  if (groups.groups.size() == 1) {
    name << " pages of " << kPageSize << " tokens";
  } else {
    name << " slabs for " << kPageSize << " tokens of ";
    for (size_t i = 0; i < groups.groups.size(); ++i) {
      const PageGroup& group = groups.groups[i];
      name << (i > 0 ? " or " : "") << groups.pages_of_slab(i) << " x " << group.num_layers;
      if (group.window == 0) {
        name << " layers";
      } else {
        name << " with windows of " << group.window;
      }
    }
  }
  name << ')';
  return {name.str(), num_slabs * slab_bytes(config, dtype, groups)};
}

}  // namespace eet
