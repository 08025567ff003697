#include "app/job/output/whole_file.h"

#include <fcntl.h>
#include <stdio.h>  // renameat2
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "app/job/input/compression.h"
#include "lib/core/error.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

fs::path directory_of(const std::string& path) {
  return fs::absolute(path).parent_path();
}

// Calls `take(name)` with names beside `path` until one is new; gives that. `take` returns whether
// it succeeded, with errno set where it did not. The longest name of a file is 255 bytes.
template <typename Take>
std::string take_new_name(const std::string& path, Take take) {
  constexpr int kMaxNames = 1000;
  constexpr size_t kKeptBytes = 200;
  const fs::path whole = path;
  const std::string kept = whole.filename().string().substr(0, kKeptBytes);
  const std::string base = (whole.parent_path() / kept).string();
  for (int i = 0;; ++i) {
    std::string name = concat(base, ".eet-partial-", ::getpid(), '-', i);
    if (take(name)) return name;
    require_call(errno == EEXIST && i < kMaxNames, name, ": cannot create: ");
  }
}

}  // namespace

WholeFile::WholeFile(OutputPlace place) : place_(std::move(place)) {
  create();
  sink_ = make_byte_sink(compression_of_name(place_.path()),
                         [this](std::string_view data) { file_->write(data); });
}

WholeFile::~WholeFile() {
  if (!partial_path_.empty()) ::unlink(partial_path_.c_str());
}

void WholeFile::create() {
  const std::string directory = directory_of(place_.path()).string();
  // A file without a name gets one by way of /proc.
  const bool may_be_unnamed = ::access("/proc/self/fd", X_OK) == 0;
  int fd = may_be_unnamed ? ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
  if (fd < 0) {
    partial_path_ = take_new_name(place_.path(), [&fd](const std::string& name) {
      fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      return fd >= 0;
    });
  }
  file_ = std::make_unique<OutputFile>(place_.path(), fd);
  if (const std::optional<mode_t> mode = place_.permissions()) {
    require_call(::fchmod(fd, *mode) == 0, place_.path(), ": cannot set the permissions: ");
  }
}

void WholeFile::write(std::string_view data) {
  constexpr size_t kWriteBytes = size_t{1} << 20;
  buffer_ += data;
  if (buffer_.size() >= kWriteBytes) flush();
}

void WholeFile::flush() {
  sink_->write(buffer_);
  buffer_.clear();
}

void WholeFile::give_name() {
  if (!partial_path_.empty()) return;
  const std::string open_file = concat("/proc/self/fd/", file_->descriptor());
  partial_path_ = take_new_name(place_.path(), [&](const std::string& name) {
    return ::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  });
}

void WholeFile::finish() {
  flush();
  sink_->finish();
  file_->sync();
  place_.require_unchanged();
  give_name();
  file_->finish();
  const std::string& path = place_.path();
  // Where the system can, a file that came here since is not overwritten.
  const unsigned flags = place_.was_empty() ? RENAME_NOREPLACE : 0;
  int result = ::renameat2(AT_FDCWD, partial_path_.c_str(), AT_FDCWD, path.c_str(), flags);
  if (result != 0 && errno == EINVAL) result = ::rename(partial_path_.c_str(), path.c_str());
  require_call(result == 0, path, ": cannot rename ", partial_path_, ": ");
  partial_path_.clear();
  sync_directory(directory_of(path));
}

}  // namespace eet
