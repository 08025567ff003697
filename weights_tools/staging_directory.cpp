#include "weights_tools/staging_directory.h"

#include <fcntl.h>
#include <stdio.h>  // renameat2
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "lib/core/error.h"
#include "weights_tools/output_file.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

bool holds(const fs::path& directory, const fs::path& inner) {
  const auto [end, rest] =
      std::mismatch(directory.begin(), directory.end(), inner.begin(), inner.end());
  return end == directory.end();
}

void check_replaceable(const fs::path& destination, const fs::path& source) {
  const std::string where = destination.string();
  require(fs::is_directory(destination), where, ": exists and is no directory");
  require(source.empty() || !holds(fs::canonical(destination), fs::canonical(source)), where,
          ": would replace the model that is being converted; write elsewhere");
  require(fs::is_empty(destination) || fs::exists(destination / "eet.json") ||
              fs::exists(destination / "config.json"),
          where, ": is no model directory, so it is not replaced; remove it first");
}

// "models/x/" and "models/x" name the same directory, whose parent is "models".
fs::path without_trailing_slash(const fs::path& path) {
  const fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

fs::path make_unique_directory(const fs::path& destination) {
  const fs::path parent = destination.parent_path();
  require(fs::is_directory(parent), parent.string(), ": no such directory");
  const std::string prefix = concat('.', destination.filename().string(), ".partial-", ::getpid());
  for (int attempt = 0;; ++attempt) {
    fs::path path = parent / concat(prefix, '-', attempt);
    if (::mkdir(path.c_str(), 0777) == 0) return path;
    require(errno == EEXIST, path.string(), ": cannot create: ", std::strerror(errno));
  }
}

// Puts `path` in the place of `destination`, and what was there at `path`: at once where the file
// system can, else in two steps between which `destination` is missing.
void exchange(const fs::path& path, const fs::path& destination) {
  if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, destination.c_str(), RENAME_EXCHANGE) == 0) {
    return;
  }
  require(errno == EINVAL || errno == ENOSYS, destination.string(),
          ": cannot replace: ", std::strerror(errno));
  const fs::path old = path.string() + "-old";
  fs::rename(destination, old);
  fs::rename(path, destination);
  fs::rename(old, path);
}

}  // namespace

StagingDirectory::StagingDirectory(const fs::path& destination, const fs::path& source,
                                   bool replace)
    : destination_(without_trailing_slash(destination)), replace_(replace) {
  if (fs::exists(fs::symlink_status(destination_))) {
    require(replace, destination.string(), ": exists; use --force to replace it");
    check_replaceable(destination_, source);
  }
  path_ = make_unique_directory(destination_);
}

StagingDirectory::~StagingDirectory() {
  std::error_code ignored;  // nothing more can be done about it here
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

void StagingDirectory::commit() {
  sync_directory(path_);
  // A rename never overwrites a directory that holds anything.
  if (::rename(path_.c_str(), destination_.c_str()) == 0) {
    path_.clear();
  } else {
    const bool exists = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR;
    require(exists && replace_, destination_.string(), ": cannot create: ", std::strerror(errno));
    exchange(path_, destination_);  // the destructor removes the old one
  }
  sync_directory(destination_.parent_path());
}

}  // namespace eet
