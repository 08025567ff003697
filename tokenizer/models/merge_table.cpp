#include "tokenizer/models/merge_table.h"

#include <bit>
#include <functional>
#include <queue>
#include <utility>

namespace eet {
namespace {

// Up to this many symbols, looking over all pairs for the lowest costs less than a heap.
constexpr size_t kShortWord = 24;

struct Symbol {
  int32_t id;
  int32_t previous;  // -1 at the start
  int32_t next;      // -1 at the end
  bool gone = false;
};

struct Candidate {
  uint32_t rank;
  int32_t left;  // index of the left symbol
  int32_t merged;
  bool operator>(const Candidate& other) const {
    return std::pair(rank, left) > std::pair(other.rank, other.left);
  }
};

}  // namespace

MergeTable::MergeTable(size_t count) : entries_(std::bit_ceil(2 * count + 1)) {}

size_t MergeTable::slot_of(uint64_t pair) const {
  uint64_t hash = pair * 0x9E3779B97F4A7C15ull;  // Fibonacci hashing: the high bits mix best
  hash ^= hash >> 32;
  size_t slot = hash & (entries_.size() - 1);
  while (entries_[slot].pair != pair && entries_[slot].pair != kEmpty) {
    slot = (slot + 1) & (entries_.size() - 1);
  }
  return slot;
}

void MergeTable::add(int32_t left, int32_t right, uint32_t rank, int32_t merged) {
  const uint64_t pair = pair_key(left, right);
  entries_[slot_of(pair)] = {pair, rank, merged};
}

const MergeTable::Entry* MergeTable::find(int32_t left, int32_t right) const {
  const Entry& entry = entries_[slot_of(pair_key(left, right))];
  return entry.pair == kEmpty ? nullptr : &entry;
}

void MergeTable::merge(std::vector<int32_t>& symbols) const {
  if (symbols.size() <= kShortWord) {
    merge_short(symbols);
  } else {
    merge_long(symbols);
  }
}

void MergeTable::merge_short(std::vector<int32_t>& symbols) const {
  const Entry* pairs[kShortWord];  // pairs[i]: the merge of symbols i and i + 1
  size_t size = symbols.size();
  for (size_t i = 0; i + 1 < size; ++i) pairs[i] = find(symbols[i], symbols[i + 1]);
  while (size > 1) {
    size_t best = size;
    for (size_t i = 0; i + 1 < size; ++i) {
      if (pairs[i] && (best == size || pairs[i]->rank < pairs[best]->rank)) best = i;
    }
    if (best == size) break;
    symbols[best] = pairs[best]->merged;
    --size;
    for (size_t i = best + 1; i < size; ++i) {
      symbols[i] = symbols[i + 1];
      pairs[i - 1] = pairs[i];
    }
    if (best > 0) pairs[best - 1] = find(symbols[best - 1], symbols[best]);
    if (best + 1 < size) pairs[best] = find(symbols[best], symbols[best + 1]);
  }
  symbols.resize(size);
}

void MergeTable::merge_long(std::vector<int32_t>& symbols) const {
  const int32_t size = static_cast<int32_t>(symbols.size());
  std::vector<Symbol> chain(symbols.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](int32_t left) {
    if (left < 0 || chain[left].next < 0) return;
    if (const Entry* entry = find(chain[left].id, chain[chain[left].next].id)) {
      queue.push({entry->rank, left, entry->merged});
    }
  };
  for (int32_t i = 0; i < size; ++i) chain[i] = {symbols[i], i - 1, i + 1 < size ? i + 1 : -1};
  for (int32_t i = 0; i < size; ++i) offer(i);

  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = chain[top.left];
    if (left.gone || left.next < 0) continue;
    Symbol& right = chain[left.next];
    const Entry* entry = find(left.id, right.id);
    if (entry == nullptr || entry->merged != top.merged) continue;  // a neighbour has changed since
    left.id = top.merged;
    right.gone = true;
    left.next = right.next;
    if (left.next >= 0) chain[left.next].previous = top.left;
    offer(left.previous);
    offer(top.left);
  }
  symbols.clear();
  for (int32_t i = 0; i >= 0; i = chain[i].next) symbols.push_back(chain[i].id);
}

}  // namespace eet
