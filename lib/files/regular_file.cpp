#include "lib/files/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lib/files/system_reason.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw FileError(path.string() + ": " + what);
}

// O_NONBLOCK: opening a named pipe must not wait for a writer.
int open_for_reading(const fs::path& path) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  const int reason = errno;
  if (fd < 0) fail(path, "cannot open: " + system_reason(reason));
  return fd;
}

int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

struct stat stat_of(int fd, const fs::path& path) {
  struct stat info {};
  const int result = ::fstat(fd, &info);
  const int reason = errno;
  if (result != 0) fail(path, "cannot stat: " + system_reason(reason));
  return info;
}

FileIdentity identity_of(const struct stat& info) {
  return {info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size), nanoseconds(info.st_mtim),
          nanoseconds(info.st_ctim)};
}

// The folder whose files are one model: that of `file`, or in Hugging Face's cache the model's
// (models--ORG--NAME/snapshots/REVISION and what is below it).
fs::path folder_of(const fs::path& file) {
  const fs::path parent = file.parent_path().empty() ? fs::path(".") : file.parent_path();
  fs::path folder = fs::canonical(parent);
  for (fs::path above = folder; above.has_relative_path(); above = above.parent_path()) {
    fs::path model = above.parent_path();
    if (above.filename() == "snapshots" && model.filename().string().starts_with("models--")) {
      return model;
    }
  }
  return folder;
}

bool is_inside(const fs::path& folder, const fs::path& file) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first ==
         folder.end();
}

void refuse_link_out_of_folder(const fs::path& path) {
  if (!fs::is_symlink(fs::symlink_status(path))) return;
  const fs::path target = fs::canonical(path);
  if (is_inside(folder_of(path), target)) return;
  fail(path, "expected a file of this folder, got a link to " + target.string() +
                 ", which is outside; put the file itself there");
}

}  // namespace

RegularFile::RegularFile(fs::path path, Links links)
    : path_(std::move(path)), fd_(open_for_reading(path_)) {
  try {
    const struct stat info = stat_of(fd_, path_);
    if (!S_ISREG(info.st_mode)) fail(path_, "expected a regular file");
    identity_ = identity_of(info);
    if (links == Links::kInsideFolder) refuse_link_out_of_folder(path_);
  } catch (const fs::filesystem_error& error) {
    ::close(fd_);
    fail(path_, "cannot follow the link: " + error.code().message());
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

RegularFile::~RegularFile() {
  ::close(fd_);
}

FileIdentity RegularFile::identity_now() const {
  return identity_of(stat_of(fd_, path_));
}

void RegularFile::read(uint64_t offset, std::span<char> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    const int reason = errno;
    if (got < 0 && reason == EINTR) continue;
    if (got < 0) fail(path_, "cannot read: " + system_reason(reason));
    if (got == 0) fail(path_, "the file became shorter while it was read");
    offset += static_cast<uint64_t>(got);
    out = out.subspan(static_cast<size_t>(got));
  }
}

std::string read_regular_file(const fs::path& path, size_t max_bytes, Links links) {
  const RegularFile file(path, links);
  if (file.size() > max_bytes) {
    fail(path, "expected a file of at most " + std::to_string(max_bytes) + " bytes, got " +
                   std::to_string(file.size()));
  }
  std::string content(file.size(), '\0');
  file.read(0, content);
  return content;
}

}  // namespace eet
