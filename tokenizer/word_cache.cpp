#include "tokenizer/word_cache.h"

#include <mutex>
#include <utility>

namespace eet {

bool WordCache::find(std::string_view word, std::vector<int32_t>& ids) const {
  const Shard& shard = shards_[shard_of(word)];
  const std::shared_lock lock(shard.mutex);
  const auto found = shard.words.find(word);
  if (found == shard.words.end()) return false;
  ids.insert(ids.end(), found->second.begin(), found->second.end());
  return true;
}

void WordCache::insert(std::string_view word, std::vector<int32_t> ids) {
  Shard& shard = shards_[shard_of(word)];
  const std::unique_lock lock(shard.mutex);
  if (shard.words.size() < kWordsPerShard) shard.words.emplace(word, std::move(ids));
}

}  // namespace eet
