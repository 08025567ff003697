#include "tokenizer/byte_trie.h"

#include <string>
#include <utility>

#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

// Several times those of the largest vocabularies; a node takes some 50 bytes.
constexpr size_t kMaxNodes = size_t{1} << 23;

}  // namespace

ByteTrie::ByteTrie() : edges_(16), values_(1, kNone) {
  first_.fill(kNone);
}

size_t ByteTrie::slot_of(int32_t node, uint8_t label) const {
  const uint64_t key = key_of(node, label);
  uint64_t hash = key * 0x9E3779B97F4A7C15ull;  // Fibonacci hashing: the high bits mix best
  hash ^= hash >> 32;
  size_t slot = hash & (edges_.size() - 1);
  while (edges_[slot].key != key && edges_[slot].key != kFree) {
    slot = (slot + 1) & (edges_.size() - 1);
  }
  return slot;
}

void ByteTrie::grow() {
  std::vector<Edge> old = std::exchange(edges_, std::vector<Edge>(2 * edges_.size()));
  for (const Edge& edge : old) {
    if (edge.key == kFree) continue;
    edges_[slot_of(static_cast<int32_t>(edge.key >> 8), static_cast<uint8_t>(edge.key))] = edge;
  }
}

void ByteTrie::insert(std::string_view key, int32_t value) {
  int32_t node = kRoot;
  for (char byte : key) {
    int32_t next = child(node, byte);
    if (next == kNone) {
      if (values_.size() == kMaxNodes) {
        throw TokenizerError("the tokenizer's tokens have more than " + std::to_string(kMaxNodes) +
                             " bytes, those of equal beginnings counted once; no tokenizer needs "
                             "so many");
      }
      next = static_cast<int32_t>(values_.size());
      values_.push_back(kNone);
      if (node == kRoot) {
        first_[static_cast<uint8_t>(byte)] = next;
      } else {
        if (2 * values_.size() > edges_.size()) grow();
        const auto label = static_cast<uint8_t>(byte);
        edges_[slot_of(node, label)] = {key_of(node, label), next};
      }
    }
    node = next;
  }
  values_[node] = value;
}

}  // namespace eet
