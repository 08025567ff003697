// Parts of one input for several machines, and what the output of a part says about itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace eet {

// Part `index`, from 0, of `count`: every row whose index in the whole input is `index` modulo
// `count`. Rows keep that index, so that each draws from the same random stream and has the same
// default id as in one run of the whole input.
struct Shard {
  uint64_t index = 0;
  uint64_t count = 1;

  bool has(uint64_t input_row) const { return input_row % count == index; }
  // Rows that an input of `input_rows` has for this shard.
  uint64_t rows_of(uint64_t input_rows) const;
  bool operator==(const Shard&) const = default;
};

inline constexpr uint64_t kMaxShards = 1'000'000;

// "2/5" is the third of five. Nothing when it is not 0 <= index < count <= kMaxShards.
std::optional<Shard> parse_shard(std::string_view text);

// "2/5".
std::string format_shard(const Shard& shard);

// What the chat template of a shard's rows was told of the time.
struct ShardTime {
  std::string start;       // 2026-01-31T09:30:00, by the local clock
  uint64_t told_hash = 0;  // of all that templates were told
  bool operator==(const ShardTime&) const = default;
  // Whether templates were told the same: they ask for the day only, mostly.
  bool agrees(const ShardTime& other) const {
    return start == other.start || told_hash == other.told_hash;
  }
};

// What a file beside a shard's output says, by which `eet merge` knows that the output is complete
// and which others belong to it. Up to eet 0.1 it was the last line of the output itself, and there
// without rows_hash.
struct ShardCheck {
  Shard shard;
  uint64_t input_rows = 0;  // of all shards
  uint64_t input_hash = 0;  // of all rows' text
  uint64_t job_hash = 0;    // of what else all shards have in common: model, flags, version
  std::optional<uint64_t> rows_hash = {};  // of the output's text
  std::optional<ShardTime> time = {};      // nothing where no template asked for it
  bool operator==(const ShardCheck&) const = default;
};

// The name of the file beside `output`.
std::string shard_check_path(const std::string& output);

// {"eet_shard":"2/5","input_rows":...,"input_hash":"...","job_hash":"...","rows_hash":"..."} and
// "\n"; with a time, also "start_time" and "told_hash".
std::string format_shard_check(const ShardCheck& check);

// Nothing when `line` is not such a line (without "\n").
std::optional<ShardCheck> parse_shard_check(std::string_view line);

}  // namespace eet
