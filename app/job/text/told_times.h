// What chat templates asked of the time, and were told.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>

namespace eet {

// Remembers different answers by their hashes, up to a fixed number. Any thread may call.
class ToldTimes {
 public:
  void add(std::string_view format, std::string_view text);

  // Of the set of all answers; nothing where there were none. Where there were more than are
  // remembered, of `start`, the time that all of them tell.
  std::optional<uint64_t> hash(std::string_view start) const;

 private:
  mutable std::mutex mutex_;
  std::set<uint64_t> answers_;
};

}  // namespace eet
