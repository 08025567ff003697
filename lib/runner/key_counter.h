// How many keys the queries of a pass see: what attention reads and computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>

#include "lib/model/config.h"

namespace eet {

// Counts are averages over the layers, rounded: windows make layers differ.
class KeyCounter {
 public:
  explicit KeyCounter(const ModelConfig& config) : num_layers_(config.num_layers()) {
    for (const int64_t kind : config.layers) ++layers_[config.layer_kinds[kind].attention.window];
  }

  // Of the query at the end of `context_len` tokens.
  int64_t of_query(int64_t context_len) const { return of_queries(context_len - 1, 1); }

  // Of the queries at positions [first, first + count), added up.
  int64_t of_queries(int64_t first, int64_t count) const {
    if (layers_.size() == 1) return of_layer(layers_.begin()->first, first, count);
    double keys = 0;
    for (const auto& [window, layers] : layers_) {
      keys += static_cast<double>(layers) * static_cast<double>(of_layer(window, first, count));
    }
    return std::llround(keys / static_cast<double>(num_layers_));
  }

  // Of the first `tokens` of a context, of which windows are taken to have left them all.
  int64_t of_prefix(int64_t tokens) const {
    const auto all = layers_.find(0);
    return all == layers_.end() ? 0 : tokens * all->second / num_layers_;
  }

 private:
  static int64_t of_layer(int64_t window, int64_t first, int64_t count) {
    return up_to(window, first + count) - up_to(window, first);
  }
  // Of the first n queries: 1 + 2 + ..., and no more than the window each.
  static int64_t up_to(int64_t window, int64_t n) {
    const int64_t rising = window == 0 ? n : std::min(window, n);
    return rising * (rising + 1) / 2 + (n - rising) * window;
  }

  int64_t num_layers_;
  std::map<int64_t, int64_t> layers_;  // by window
};

}  // namespace eet
