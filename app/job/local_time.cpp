#include "app/job/local_time.h"

#include <array>
#include <ctime>

namespace eet {
namespace {

constexpr size_t kDateLength = 10;  // YYYY-MM-DD

}  // namespace

std::optional<int64_t> parse_local_time(const std::string& text) {
  const std::string whole = text.size() == kDateLength ? text + "T00:00:00" : text;
  std::tm time{};
  const char* const end = ::strptime(whole.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (end != whole.c_str() + whole.size()) return std::nullopt;
  time.tm_isdst = -1;  // whichever holds then
  const std::time_t seconds = std::mktime(&time);
  // The 30th of February became another day.
  if (format_local_time(seconds) != whole) return std::nullopt;
  return seconds;
}

std::string format_local_time(int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm local{};
  ::localtime_r(&time, &local);
  std::array<char, 64> text{};
  const size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &local);
  return {text.data(), length};
}

}  // namespace eet
