// Which beginnings the prompts of many rows have in common.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "kernels/contract/kv_layout.h"

namespace eet {

// A row that shares a part of a page copies the page, which costs about as much as computing one or
// two tokens of it. Fewer tokens than this are not worth that, nor a place in another order: most
// prompts of a model begin with the same one or few.
inline constexpr int32_t kMinSharedPart = 16;

// How many of the tokens that two prompts have in common one shares with the other: those of whole
// pages, and the rest where there are enough of them.
inline int32_t shared_part(int32_t common_tokens) {
  const int32_t part = common_tokens % kPageSize;
  return part < kMinSharedPart ? common_tokens - part : common_tokens;
}

// A prompt as far as it may be shared.
struct SharablePrompt {
  std::span<const int32_t> tokens;
  // Prompts of different kinds have nothing in common, whatever their tokens: the same token has
  // other keys and values in them.
  bool kind = false;
};

// Tokens that both begin with.
int32_t common_tokens(const SharablePrompt& a, const SharablePrompt& b);

// The radix tree over a window of prompts. An inner node is a prefix at which two or more of them
// part, with its length from the root; a leaf is a prompt. Chains without a branch are one edge.
// Prompts are compared page by page of token ids, so that building takes at most tokens / kPageSize
// rounds over them. The tree refers to the prompts and holds no ids of its own: building it takes
// less than 200 bytes for each prompt.
class PrefixTree {
 public:
  // Prompts in the order that they would have without sharing.
  explicit PrefixTree(std::span<const SharablePrompt> prompts);

  struct Place {
    int32_t prompt = 0;         // index
    int32_t shared_tokens = 0;  // with the place before, by shared_part()
  };
  // All prompts, those below a node one after another. Nodes and prompts beside each other are in
  // the order of their first prompts: where nothing is shared, in the order given.
  std::vector<Place> places() const;

  // For each level, from the root down: prompt tokens that are computed once instead of for every
  // prompt below. Empty where nothing is shared.
  std::vector<int64_t> saved_tokens_by_level() const;

 private:
  struct Node {
    int32_t tokens = 0;  // length of the prefix; of leaves, not set
    int32_t num_prompts = 0;
    int32_t parent = -1;
    int32_t first_child = -1;
    int32_t last_child = -1;
    int32_t next_sibling = -1;
  };
  bool is_leaf(int32_t node) const { return node < num_prompts_; }
  void add_nodes(std::span<const int32_t> sorted, std::span<const int32_t> common);
  void adopt(int32_t parent, int32_t child);
  void link_children();
  // Calls visit(node, tokens in common with the leaf visited before, level) from the root down.
  template <typename Visit>
  void walk(Visit visit) const;

  int32_t num_prompts_;
  std::vector<Node> nodes_;  // leaves by prompt, then the root, then the other inner nodes
};

}  // namespace eet
