// The pages themselves: keys and values of all layers.
#pragma once

#include <cstdint>

#include "lib/core/error.h"
#include "lib/core/memory.h"
#include "lib/ops/ops.h"

namespace eet {

class KvCache {
 public:
  KvCache(const Context& ctx, const ModelConfig& config, DType dtype, int64_t num_pages);

  // Bytes of one page over all layers.
  static int64_t page_bytes(const ModelConfig& config, DType dtype) {
    return config.kv_bytes_per_token(dtype) * kPageSize;
  }

  // Layer `i`'s keys and values, [num_pages, num_kv_heads, kPageSize, head_dim] each.
  KvLayer layer(int64_t i) const;

  // Copies a page's keys and values in all layers.
  void copy_page(int32_t from, int32_t to);

  int64_t num_pages() const { return one_.dim(0); }

  // What one of `num_pages` takes.
  static MemoryItem memory(const ModelConfig& config, DType dtype, int64_t num_pages) {
    return {concat("KV cache (", num_pages, " pages of ", kPageSize, " tokens)"),
            num_pages * page_bytes(config, dtype)};
  }

 private:
  const Context& ctx_;
  Buffer buffer_;   // [num_layers, 2, num_pages, num_kv_heads, kPageSize, head_dim]
  TensorView one_;  // shape of one layer's keys
};

}  // namespace eet
