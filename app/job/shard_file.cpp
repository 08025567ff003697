#include "app/job/shard_file.h"

#include <filesystem>
#include <string_view>

#include "app/job/output/whole_file.h"
#include "lib/core/error.h"
#include "lib/files/regular_file.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxCheckBytes = size_t{1} << 12;

}  // namespace

std::optional<ShardCheck> read_shard_check(const std::string& output) {
  const std::string path = shard_check_path(output);
  if (!fs::exists(fs::symlink_status(path))) return std::nullopt;
  std::string text;
  try {
    text = read_regular_file(path, kMaxCheckBytes, Links::kAnywhere);
  } catch (const FileError& error) {
    throw Error(error.what());
  }
  std::optional<ShardCheck> check =
      parse_shard_check(std::string_view(text).substr(0, text.find('\n')));
  require(check.has_value(), path,
          ": expected what `eet generate --shard` writes, got something else: make the shard "
          "again");
  return check;
}

void require_shard_check_or_nothing(const std::string& output) {
  const std::string path = shard_check_path(output);
  require(!fs::is_symlink(fs::symlink_status(path)), path,
          ": expected a file of eet, got a link: remove it, or give another --output");
  try {
    read_shard_check(output);
  } catch (const Error&) {
    throw Error(path +
                ": the file is not eet's, which writes one of this name beside a shard's output: "
                "remove it, or give another --output");
  }
}

void write_shard_check(const std::string& output, const ShardCheck& check) {
  require_shard_check_or_nothing(output);
  WholeFile file{OutputPlace(shard_check_path(output))};
  file.write(format_shard_check(check));
  file.finish();
}

}  // namespace eet
