#include "app/job/shard.h"

#include <charconv>
#include <cstdio>
#include <system_error>

#include "app/job/local_time.h"
#include "lib/core/error.h"

namespace eet {
namespace {

// Takes `expected` from the front of `text`.
bool skip(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

// Takes the digits of a number from the front of `text`.
bool take_number(std::string_view& text, uint64_t& number, int base = 10) {
  const char* const end = text.data() + text.size();
  const std::from_chars_result read = std::from_chars(text.data(), end, number, base);
  if (read.ec != std::errc() || read.ptr == text.data()) return false;
  text.remove_prefix(static_cast<size_t>(read.ptr - text.data()));
  return true;
}

bool take_shard(std::string_view& text, Shard& shard) {
  return take_number(text, shard.index) && skip(text, "/") && take_number(text, shard.count) &&
         shard.index < shard.count && shard.count <= kMaxShards;
}

std::string hexadecimal(uint64_t number) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(number));
  return digits;
}

}  // namespace

uint64_t Shard::rows_of(uint64_t input_rows) const {
  return input_rows / count + (input_rows % count > index ? 1 : 0);
}

std::optional<Shard> parse_shard(std::string_view text) {
  Shard shard;
  if (!take_shard(text, shard) || !text.empty()) return std::nullopt;
  return shard;
}

std::string format_shard(const Shard& shard) {
  return concat(shard.index, "/", shard.count);
}

std::string shard_check_path(const std::string& output) {
  return output + ".eet-shard";
}

std::string format_shard_check(const ShardCheck& check) {
  std::string text = concat(R"({"eet_shard":")", format_shard(check.shard), R"(","input_rows":)",
                            check.input_rows, R"(,"input_hash":")", hexadecimal(check.input_hash),
                            R"(","job_hash":")", hexadecimal(check.job_hash));
  if (check.rows_hash) text += concat(R"(","rows_hash":")", hexadecimal(*check.rows_hash));
  if (check.time) {
    text += concat(R"(","start_time":")", check.time->start, R"(","told_hash":")",
                   hexadecimal(check.time->told_hash));
  }
  return text + "\"}\n";
}

std::optional<ShardCheck> parse_shard_check(std::string_view line) {
  ShardCheck check;
  const bool good = skip(line, R"({"eet_shard":")") && take_shard(line, check.shard) &&
                    skip(line, R"(","input_rows":)") && take_number(line, check.input_rows) &&
                    skip(line, R"(,"input_hash":")") && take_number(line, check.input_hash, 16) &&
                    skip(line, R"(","job_hash":")") && take_number(line, check.job_hash, 16);
  if (!good) return std::nullopt;
  if (skip(line, R"(","rows_hash":")")) {
    uint64_t hash = 0;
    if (!take_number(line, hash, 16)) return std::nullopt;
    check.rows_hash = hash;
  }
  if (skip(line, R"(","start_time":")")) {
    ShardTime& time = check.time.emplace();
    time.start = line.substr(0, line.find('"'));
    line.remove_prefix(time.start.size());
    if (!parse_local_time(time.start) || !skip(line, R"(","told_hash":")") ||
        !take_number(line, time.told_hash, 16)) {
      return std::nullopt;
    }
  }
  if (line != "\"}") return std::nullopt;
  return check;
}

}  // namespace eet
