// Times by the local clock, as the command line and the files of shards have them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace eet {

// Seconds since 1970 of "2026-01-31T09:30:00", or of the begin of "2026-01-31". Nothing when `text`
// is neither, or no such time exists.
std::optional<int64_t> parse_local_time(const std::string& text);

// "2026-01-31T09:30:00".
std::string format_local_time(int64_t seconds);

}  // namespace eet
