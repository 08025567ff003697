// A tree of the bytes of strings, each with a number.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace eet {

class ByteTrie {
 public:
  static constexpr int32_t kRoot = 0;
  static constexpr int32_t kNone = -1;

  ByteTrie();

  // `value`, from 0 up, replaces that of an equal key. Keys are not empty. Throws TokenizerError
  // when the tree would take hundreds of megabytes.
  void insert(std::string_view key, int32_t value);

  bool empty() const { return values_.size() == 1; }

  // The node below `node`, or kNone.
  int32_t child(int32_t node, char byte) const {
    const auto label = static_cast<uint8_t>(byte);
    if (node == kRoot) return first_[label];
    const Edge& edge = edges_[slot_of(node, label)];
    return edge.key == kFree ? kNone : edge.child;
  }

  // The value of the key that ends at `node`, or kNone.
  int32_t value(int32_t node) const { return values_[node]; }

 private:
  static constexpr uint64_t kFree = ~0ull;
  struct Edge {
    uint64_t key = kFree;  // the parent and the byte
    int32_t child = kNone;
  };

  static uint64_t key_of(int32_t node, uint8_t label) {
    return static_cast<uint64_t>(node) << 8 | label;
  }
  size_t slot_of(int32_t node, uint8_t label) const;
  void grow();

  std::array<int32_t, 256> first_;  // children of the root
  std::vector<Edge> edges_;         // of the others: open addressing, at most half full
  std::vector<int32_t> values_;     // by node
};

}  // namespace eet
