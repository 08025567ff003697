#include "app/job/id_set.h"

#include <algorithm>

#include "app/job/journal/hash.h"

namespace eet {

IdSet::IdSet() : slots_(1024) {}

bool IdSet::insert(std::string_view id) {
  if (used_ * 10 >= slots_.size() * 7) grow();
  const bool is_new = place(std::max<uint64_t>(hash128(id).low, 1));
  used_ += is_new ? 1 : 0;
  return is_new;
}

bool IdSet::place(uint64_t hash) {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot] != 0) {
    if (slots_[slot] == hash) return false;
    slot = (slot + 1) & mask;
  }
  slots_[slot] = hash;
  return true;
}

void IdSet::grow() {
  std::vector<uint64_t> old(slots_.size() * 2);
  old.swap(slots_);
  for (const uint64_t hash : old) {
    if (hash != 0) place(hash);
  }
}

}  // namespace eet
