#include "app/bench/lengths_file.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

#include "lib/core/error.h"
#include "lib/files/regular_file.h"

namespace eet {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;
constexpr int kMaxTokens = 1 << 24;  // far above every model's positions

std::optional<int> parse_tokens(std::string_view text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size();
  return good && value >= 0 && value <= kMaxTokens ? std::optional(value) : std::nullopt;
}

std::optional<RequestLengths> parse_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const size_t second_comma = line.rfind(',');
  if (second_comma == std::string_view::npos) return std::nullopt;
  const std::string_view before = line.substr(0, second_comma);
  const size_t first_comma = before.rfind(',');
  const std::string_view context =
      first_comma == std::string_view::npos ? before : before.substr(first_comma + 1);
  const std::optional<int> prompt_tokens = parse_tokens(context);
  const std::optional<int> new_tokens = parse_tokens(line.substr(second_comma + 1));
  if (!prompt_tokens || !new_tokens) return std::nullopt;
  return RequestLengths{std::max(1, *prompt_tokens), std::max(1, *new_tokens)};
}

std::string text_of(const std::string& path) {
  try {
    return read_regular_file(path, kMaxBytes, Links::kAnywhere);
  } catch (const FileError& error) {
    throw Error(error.what());
  }
}

void cut(int& tokens, int limit) {
  if (limit > 0) tokens = std::min(tokens, limit);
}

}  // namespace

std::vector<RequestLengths> read_lengths_file(const std::string& path, const LengthLimits& limits) {
  std::istringstream file(text_of(path));
  std::vector<RequestLengths> requests;
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    if (limits.max_requests > 0 && std::ssize(requests) == limits.max_requests) break;
    if (line.empty()) continue;
    std::optional<RequestLengths> lengths = parse_line(line);
    if (!lengths && number == 1) continue;
    require(lengths.has_value(), path, ": line ", number,
            ": expected context tokens and generated tokens as the last two columns, got '",
            line.substr(0, 80), "'");
    cut(lengths->prompt_tokens, limits.max_context);
    cut(lengths->new_tokens, limits.max_output);
    requests.push_back(*lengths);
  }
  require(!requests.empty(), path, ": expected at least one pair of lengths, got none");
  return requests;
}

}  // namespace eet
