#include "weights_tools/staging_directory.h"

#include <fcntl.h>
#include <stdio.h>  // renameat2
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

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

// Whether the entry is a file that a conversion writes.
bool is_converted_file(const fs::directory_entry& entry) {
  constexpr std::array kNames = {"eet.json",
                                 "model.safetensors",
                                 "tokenizer.model",
                                 "tokenizer.json",
                                 "tokenizer_config.json",
                                 "generation_config.json",
                                 "special_tokens_map.json",
                                 "added_tokens.json",
                                 "vocab.json",
                                 "merges.txt",
                                 "chat_template.jinja"};
  return fs::is_regular_file(entry.symlink_status()) &&
         std::find(kNames.begin(), kNames.end(), entry.path().filename()) != kNames.end();
}

void check_replaceable(const fs::path& destination, const fs::path& source) {
  const std::string where = destination.string();
  require(!fs::is_symlink(fs::symlink_status(destination)), where,
          ": is a symbolic link, which is not replaced; give the directory that it leads to");
  require(fs::is_directory(destination), where, ": exists and is no directory");
  require(source.empty() || !holds(fs::canonical(destination), fs::canonical(source)), where,
          ": would replace the model that is being converted; write elsewhere");
  if (fs::is_empty(destination)) return;
  require(fs::exists(destination / "eet.json"), where,
          ": was not written by eet convert (it has no eet.json), so it is not replaced; remove it "
          "first");
  for (const fs::directory_entry& entry : fs::directory_iterator(destination)) {
    const std::string name = entry.path().filename().string();
    require(is_converted_file(entry), where, ": holds ", name,
            ", which eet convert did not write, so it is not replaced; move that away first");
  }
}

// "models/x/" and "models/x" name the same directory, whose parent is "models".
fs::path without_trailing_slash(const fs::path& path) {
  const fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

// In front of what makes the name unique.
std::string staging_prefix(const fs::path& destination) {
  return concat('.', destination.filename().string(), ".partial-");
}

// Whether `text` is what make_unique_directory() puts behind the prefix: two numbers.
bool is_unique_part(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  const size_t dash = text.find_first_not_of(kDigits);
  return dash != std::string_view::npos && dash > 0 && text[dash] == '-' &&
         dash + 1 < text.size() &&
         text.find_first_not_of(kDigits, dash + 1) == std::string_view::npos;
}

// Gives a descriptor that holds the directory's lock until it is closed, or -1: the directory is
// gone, or another process has it.
int try_lock(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  struct stat opened {};
  struct stat named {};
  // Once locked it must still be the one of that name: its maker may have been quicker to remove
  // it.
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0 && ::fstat(fd, &opened) == 0 &&
      ::lstat(directory.c_str(), &named) == 0 && opened.st_ino == named.st_ino) {
    return fd;
  }
  ::close(fd);
  return -1;
}

// Removes the directories of processes that were killed.
void remove_abandoned(const fs::path& destination) {
  const std::string prefix = staging_prefix(destination);
  std::error_code ignored;  // what cannot be removed is in nobody's way
  for (const fs::directory_entry& entry :
       fs::directory_iterator(destination.parent_path(), ignored)) {
    const std::string name = entry.path().filename().string();
    // Not "-old": a model on its way out, see exchange(), and perhaps the only one there is.
    if (!name.starts_with(prefix) || !is_unique_part(name.substr(prefix.size()))) continue;
    const int lock = try_lock(entry.path());
    if (lock < 0) continue;
    fs::remove_all(entry.path(), ignored);
    ::close(lock);
  }
}

struct LockedDirectory {
  fs::path path;
  int lock = -1;
};

LockedDirectory make_unique_directory(const fs::path& destination) {
  const std::string prefix = concat(staging_prefix(destination), ::getpid(), '-');
  for (int attempt = 0;; ++attempt) {
    fs::path path = destination.parent_path() / concat(prefix, attempt);
    if (::mkdir(path.c_str(), 0777) == 0) {
      const int lock = try_lock(path);
      // Taken away before it was locked, or a file system without locks, where none is taken away.
      if (lock >= 0 || fs::exists(path)) return {std::move(path), lock};
    } else {
      require_call(errno == EEXIST, path.string(), ": cannot create: ");
    }
  }
}

// Puts `path` in the place of `destination`, and what was there at `path`: at once where the file
// system can, else in two steps between which `destination` is missing.
void exchange(const fs::path& path, const fs::path& destination) {
  if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, destination.c_str(), RENAME_EXCHANGE) == 0) {
    return;
  }
  require_call(errno == EINVAL || errno == ENOSYS, destination.string(), ": cannot replace: ");
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
  const fs::path parent = destination_.parent_path();
  require(fs::is_directory(parent), parent.string(), ": no such directory");
  remove_abandoned(destination_);
  LockedDirectory made = make_unique_directory(destination_);
  path_ = std::move(made.path);
  lock_ = made.lock;
}

StagingDirectory::~StagingDirectory() {
  std::error_code ignored;  // nothing more can be done about it here
  if (!path_.empty()) fs::remove_all(path_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void StagingDirectory::commit() {
  sync_directory(path_);
  // A rename never overwrites a directory that holds anything.
  if (::rename(path_.c_str(), destination_.c_str()) == 0) {
    path_.clear();
  } else {
    const bool exists = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR;
    require_call(exists && replace_, destination_.string(), ": cannot create: ");
    exchange(path_, destination_);  // the destructor removes the old one
  }
  sync_directory(destination_.parent_path());
}

}  // namespace eet
