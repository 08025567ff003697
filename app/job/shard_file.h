// The file beside a shard's output.
#pragma once

#include <optional>
#include <string>

#include "app/job/shard.h"

namespace eet {

// What the file beside `output` says; nothing where there is none. Throws Error when it is not one
// that a shard's job wrote.
std::optional<ShardCheck> read_shard_check(const std::string& output);

// Throws Error where the file beside `output` is somebody else's, or a link: it is not replaced.
void require_shard_check_or_nothing(const std::string& output);

// Writes the file, at once and durably.
void write_shard_check(const std::string& output, const ShardCheck& check);

}  // namespace eet
