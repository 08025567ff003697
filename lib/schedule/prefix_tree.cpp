#include "lib/schedule/prefix_tree.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace eet {
namespace {

using Tokens = std::span<const int32_t>;

// The page of ids that begins at `first`, or what is left of the prompt.
Tokens page_at(const SharablePrompt& prompt, int32_t first) {
  const Tokens rest = prompt.tokens.subspan(static_cast<size_t>(first));
  return rest.first(std::min<size_t>(rest.size(), kPageSize));
}

bool equal(Tokens a, Tokens b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

bool is_full(Tokens page) {
  return page.size() == static_cast<size_t>(kPageSize);
}

int32_t num_common(Tokens a, Tokens b) {
  return static_cast<int32_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

// Prompts sorted by their ids, and how many each has in common with the one before it.
struct SortedPrompts {
  std::vector<int32_t> prompts;
  std::vector<int32_t> common;
};

// Sorts page by page: prompts whose pages so far are equal form a group, which is sorted by the
// next page and falls into smaller ones.
class PageSort {
 public:
  explicit PageSort(std::span<const SharablePrompt> prompts) : prompts_(prompts) {
    sorted_.prompts.resize(prompts.size());
    sorted_.common.resize(prompts.size());
    std::iota(sorted_.prompts.begin(), sorted_.prompts.end(), 0);
    const auto second = std::stable_partition(sorted_.prompts.begin(), sorted_.prompts.end(),
                                              [&](int32_t i) { return prompts_[i].kind; });
    const auto border = static_cast<size_t>(second - sorted_.prompts.begin());
    groups_ = {{0, border, 0}, {border, prompts.size(), 0}};
  }

  SortedPrompts run() {
    while (!groups_.empty()) {
      const Group group = groups_.back();
      groups_.pop_back();
      if (group.end - group.begin > 1) sort(group);
    }
    return std::move(sorted_);
  }

 private:
  struct Group {
    size_t begin;
    size_t end;
    int32_t tokens;  // in common
  };

  Tokens page(size_t place, int32_t first) const {
    return page_at(prompts_[sorted_.prompts[place]], first);
  }

  // How far full pages are equal in the whole group: a common prefix needs no sorting.
  int32_t skip_common(const Group& group) const {
    for (int32_t first = group.tokens;; first += kPageSize) {
      const Tokens head = page(group.begin, first);
      if (!is_full(head)) return first;
      for (size_t place = group.begin + 1; place < group.end; ++place) {
        if (!equal(page(place, first), head)) return first;
      }
    }
  }

  void sort(const Group& group) {
    const int32_t first = skip_common(group);
    const auto begin = sorted_.prompts.begin();
    std::sort(begin + static_cast<std::ptrdiff_t>(group.begin),
              begin + static_cast<std::ptrdiff_t>(group.end), [&](int32_t a, int32_t b) {
                return std::ranges::lexicographical_compare(page_at(prompts_[a], first),
                                                            page_at(prompts_[b], first));
              });
    size_t run_begin = group.begin;
    for (size_t place = group.begin + 1; place <= group.end; ++place) {
      if (place < group.end) {
        const Tokens before = page(place - 1, first);
        const Tokens here = page(place, first);
        const int32_t common = num_common(before, here);
        sorted_.common[place] = first + common;
        if (common == kPageSize) continue;
      }
      groups_.push_back({run_begin, place, first + kPageSize});
      run_begin = place;
    }
  }

  std::span<const SharablePrompt> prompts_;
  SortedPrompts sorted_;
  std::vector<Group> groups_;
};

}  // namespace

int32_t common_tokens(const SharablePrompt& a, const SharablePrompt& b) {
  return a.kind == b.kind ? num_common(a.tokens, b.tokens) : 0;
}

PrefixTree::PrefixTree(std::span<const SharablePrompt> prompts)
    : num_prompts_(static_cast<int32_t>(prompts.size())) {
  nodes_.resize(prompts.size() + 1);
  for (int32_t leaf = 0; leaf < num_prompts_; ++leaf) nodes_[leaf].num_prompts = 1;
  if (num_prompts_ == 0) return;
  const SortedPrompts sorted = PageSort(prompts).run();
  add_nodes(sorted.prompts, sorted.common);
  link_children();
}

void PrefixTree::adopt(int32_t parent, int32_t child) {
  nodes_[child].parent = parent;
  nodes_[parent].num_prompts += nodes_[child].num_prompts;
}

// From sorted prompts: the open nodes are those on the path to the last one, the root first.
void PrefixTree::add_nodes(std::span<const int32_t> sorted, std::span<const int32_t> common) {
  std::vector<int32_t> open = {num_prompts_};
  for (size_t place = 1; place <= sorted.size(); ++place) {
    const int32_t shared = place < sorted.size() ? shared_part(common[place]) : 0;
    int32_t closed = sorted[place - 1];
    while (nodes_[open.back()].tokens > shared) {
      adopt(open.back(), closed);
      closed = open.back();
      open.pop_back();
    }
    if (nodes_[open.back()].tokens < shared) {
      open.push_back(static_cast<int32_t>(nodes_.size()));
      nodes_.push_back({.tokens = shared});
    }
    adopt(open.back(), closed);
  }
}

// Climbing from each prompt in turn, up to the first node that has been reached before, meets
// children in the order of their first prompts.
void PrefixTree::link_children() {
  for (int32_t leaf = 0; leaf < num_prompts_; ++leaf) {
    bool is_new = true;
    for (int32_t child = leaf; is_new && nodes_[child].parent >= 0; child = nodes_[child].parent) {
      Node& parent = nodes_[nodes_[child].parent];
      is_new = parent.first_child < 0;
      (is_new ? parent.first_child : nodes_[parent.last_child].next_sibling) = child;
      parent.last_child = child;
    }
  }
}

template <typename Visit>
void PrefixTree::walk(Visit visit) const {
  struct Step {
    int32_t node;
    int32_t shared_tokens;
    int32_t level;
  };
  std::vector<Step> steps = {{num_prompts_, 0, 0}};
  while (!steps.empty()) {
    const Step step = steps.back();
    steps.pop_back();
    visit(step.node, step.shared_tokens, step.level);
    const Node& node = nodes_[step.node];
    // The next sibling, which parts from what is below this node at its parent, comes after that.
    if (node.next_sibling >= 0) {
      steps.push_back({node.next_sibling, nodes_[node.parent].tokens, step.level});
    }
    if (node.first_child >= 0) {
      steps.push_back({node.first_child, step.shared_tokens, step.level + 1});
    }
  }
}

std::vector<PrefixTree::Place> PrefixTree::places() const {
  std::vector<Place> places;
  places.reserve(static_cast<size_t>(num_prompts_));
  walk([&](int32_t node, int32_t shared_tokens, int32_t /*level*/) {
    if (is_leaf(node)) places.push_back({node, shared_tokens});
  });
  return places;
}

std::vector<int64_t> PrefixTree::saved_tokens_by_level() const {
  std::vector<int64_t> saved;
  walk([&](int32_t id, int32_t /*shared_tokens*/, int32_t level) {
    if (is_leaf(id) || level == 0) return;
    if (saved.size() < static_cast<size_t>(level)) saved.resize(static_cast<size_t>(level));
    const Node& node = nodes_[id];
    const int64_t tokens = node.tokens - nodes_[node.parent].tokens;
    saved[static_cast<size_t>(level) - 1] += tokens * (node.num_prompts - 1);
  });
  return saved;
}

}  // namespace eet
