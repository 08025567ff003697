#include "lib/cache/kv_cache.h"

namespace eet {

KvCache::KvCache(const Context& ctx, const ModelConfig& config, DType dtype, int64_t num_pages)
    : ctx_(ctx),
      buffer_(allocate(ctx, page_bytes(config, dtype) * num_pages, "KV pages")),
      one_(buffer_.data(), dtype,
           {num_pages, config.attention().num_kv_heads, kPageSize, config.attention().head_dim}) {}

KvLayer KvCache::layer(int64_t i) const {
  KvLayer layer{.keys = one_, .values = one_};
  layer.keys.data = buffer_.as<std::byte>() + 2 * i * one_.bytes();
  layer.values.data = buffer_.as<std::byte>() + (2 * i + 1) * one_.bytes();
  return layer;
}

void KvCache::copy_page(int32_t from, int32_t to) {
  const int64_t page_bytes = one_.bytes() / one_.dim(0);
  copy_rows(ctx_, buffer_.as<std::byte>() + to * page_bytes,
            buffer_.as<std::byte>() + from * page_bytes, static_cast<size_t>(page_bytes),
            static_cast<size_t>(one_.bytes()),
            static_cast<int64_t>(buffer_.bytes()) / one_.bytes());
}

}  // namespace eet
