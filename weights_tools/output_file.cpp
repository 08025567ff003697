#include "weights_tools/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "lib/core/error.h"

namespace eet {

OutputFile::OutputFile(std::filesystem::path path)
    : path_(std::move(path)),
      fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
  if (fd_ < 0) fail("create");
}

OutputFile::OutputFile(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void OutputFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void OutputFile::sync() {
  if (::fsync(fd_) != 0) fail("flush");
}

void OutputFile::finish() {
  sync();
  if (::close(std::exchange(fd_, -1)) != 0) fail("close");
}

void OutputFile::fail(const char* action) const {
  const int reason = errno;
  const bool full = reason == ENOSPC || reason == EDQUOT;
  throw Error(concat(path_.string(), ": cannot ", action, ": ", system_reason(reason),
                     full ? "; free some space or write elsewhere" : ""));
}

void sync_directory(const std::filesystem::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  require_call(fd >= 0, directory.string(), ": cannot open: ");
  const int result = ::fsync(fd);
  const int reason = errno;
  ::close(fd);
  // Some file systems cannot sync a directory; their renames are as durable as they get.
  require(result == 0 || reason == EINVAL, directory.string(),
          ": cannot flush: ", system_reason(reason));
}

}  // namespace eet
