#include "lib/model/shared_loader.h"

#include <algorithm>
#include <utility>

namespace eet {

SharedLoader::SharedLoader(TensorLoader loader, size_t num_takers)
    : loader_(std::move(loader)), gone_(num_takers), counts_(num_takers) {}

TensorLoader SharedLoader::loader_of(size_t taker) {
  const std::shared_ptr<void> presence(nullptr, [this, taker](void*) { leave(taker); });
  return [this, taker, presence](const TensorSpec& spec) { return load(taker, spec); };
}

HostTensor SharedLoader::load(size_t taker, const TensorSpec& spec) {
  std::promise<HostTensor> loaded;
  std::shared_future<HostTensor> tensor;
  bool is_first = false;
  {
    std::unique_lock lock(mutex_);
    // The one that is last never waits, so that someone always goes on.
    changed_.wait(lock, [&] {
      return kept_.contains(spec.key) || kept_.size() < kMaxKept || is_last(taker);
    });
    const auto [entry, added] = kept_.try_emplace(spec.key);
    is_first = added;
    if (is_first) {
      entry->second.tensor = loaded.get_future().share();
      entry->second.taken.resize(gone_.size());
    }
    tensor = entry->second.tensor;
    take(taker, entry->second);
  }
  if (is_first) {
    try {
      loaded.set_value(loader_(spec));
    } catch (...) {
      loaded.set_exception(std::current_exception());
    }
  }
  return tensor.get();
}

// Under the mutex, as all below.
void SharedLoader::take(size_t taker, Kept& kept) {
  if (!kept.taken[taker]) ++counts_[taker];
  kept.taken[taker] = true;
  std::erase_if(kept_, [this](const auto& entry) { return all_have(entry.second); });
  changed_.notify_all();
}

void SharedLoader::leave(size_t taker) {
  const std::lock_guard lock(mutex_);
  gone_[taker] = true;
  std::erase_if(kept_, [this](const auto& entry) { return all_have(entry.second); });
  changed_.notify_all();
}

bool SharedLoader::is_last(size_t taker) const {
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (!gone_[i] && counts_[i] < counts_[taker]) return false;
  }
  return true;
}

bool SharedLoader::all_have(const Kept& kept) const {
  for (size_t i = 0; i < kept.taken.size(); ++i) {
    if (!gone_[i] && !kept.taken[i]) return false;
  }
  return true;
}

}  // namespace eet
