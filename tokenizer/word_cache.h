// Ids of words seen before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace eet {

// Text repeats its words, so a look-up replaces most of a model's work. Sharded, so that threads
// rarely meet, and bounded: a full shard takes no more.
class WordCache {
 public:
  static constexpr size_t kLongestWord = 64;

  // Appends the ids of `word`, which is not empty, if they are known.
  bool find(std::string_view word, std::vector<int32_t>& ids) const;

  void insert(std::string_view word, std::vector<int32_t> ids);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };
  struct Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<std::string, std::vector<int32_t>, Hash, std::equal_to<>> words;
  };
  static constexpr size_t kShards = 32;
  static constexpr size_t kWordsPerShard = 4096;

  static size_t shard_of(std::string_view word) {
    return (word.size() * 7 + static_cast<uint8_t>(word.front()) * 3 +
            static_cast<uint8_t>(word.back())) %
           kShards;
  }

  std::array<Shard, kShards> shards_;
};

}  // namespace eet
