#include "app/job/text/told_times.h"

#include <string>

#include "app/job/journal/hash.h"

namespace eet {
namespace {

// Templates ask for one format, or a few. Where a row names the format there may be as many as
// rows.
constexpr size_t kMaxAnswers = 256;

}  // namespace

void ToldTimes::add(std::string_view format, std::string_view text) {
  std::string answer(format);
  answer += '\0';
  answer += text;
  const std::lock_guard lock(mutex_);
  if (answers_.size() <= kMaxAnswers) answers_.insert(hash128(answer).low);
}

std::optional<uint64_t> ToldTimes::hash(std::string_view start) const {
  const std::lock_guard lock(mutex_);
  if (answers_.empty()) return std::nullopt;
  if (answers_.size() > kMaxAnswers) return hash128(start).low;
  std::string all;
  for (const uint64_t answer : answers_) {
    all.append(reinterpret_cast<const char*>(&answer), sizeof answer);
  }
  return hash128(all).low;
}

}  // namespace eet
