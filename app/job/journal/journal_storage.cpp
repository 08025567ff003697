#include "app/job/journal/journal_storage.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "lib/core/error.h"
#include "weights_tools/output_file.h"

namespace eet {
namespace {

std::filesystem::path directory_of(const std::string& path) {
  return std::filesystem::absolute(path).parent_path();
}

struct stat stat_of(int fd, const std::string& path) {
  struct stat info {};
  require_call(::fstat(fd, &info) == 0, path, ": cannot stat: ");
  return info;
}

[[noreturn]] void fail_to_open(const std::string& path, const char* action, int reason) {
  throw Error(concat(path, ": cannot ", action, " the journal: ", system_reason(reason),
                     "; --no-journal writes the output without one"));
}

// A link at the journal's name leads to a file that is not ours.
FileDescriptor open_or_create(const std::string& path) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  FileDescriptor fd(::open(path.c_str(), kFlags, 0666), /*owned=*/true);
  const int reason = errno;
  require(fd.get() >= 0 || reason != ELOOP, path,
          ": expected a journal of eet, got a symbolic link: remove it, or give another --output");
  if (fd.get() < 0) fail_to_open(path, "open", reason);
  require(S_ISREG(stat_of(fd.get(), path).st_mode), path,
          ": expected a regular file for the journal");
  return fd;
}

// Gives a new file the permissions of `like`, and its group where that is allowed.
void take_permissions(int fd, const std::string& path, const std::string& like) {
  struct stat model {};
  if (::stat(like.c_str(), &model) != 0 || stat_of(fd, path).st_size > 0) return;
  [[maybe_unused]] const int group = ::fchown(fd, static_cast<uid_t>(-1), model.st_gid);
  require_call(::fchmod(fd, model.st_mode & 0666) == 0, path, ": cannot set the permissions: ");
}

void lock(int fd, const std::string& path) {
  int result = 0;
  do {
    result = ::flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  const int reason = errno;
  require(result == 0 || reason != EWOULDBLOCK, path,
          ": another eet is running this job: wait for it, or give another --output");
  if (result != 0) fail_to_open(path, "lock", reason);
}

// A job that ends removes its journal, perhaps just after it was opened here. So may anybody.
bool is_still_at(int fd, const std::string& path) {
  struct stat named {};
  const struct stat opened = stat_of(fd, path);
  return ::lstat(path.c_str(), &named) == 0 && named.st_dev == opened.st_dev &&
         named.st_ino == opened.st_ino;
}

}  // namespace

std::unique_ptr<JournalFile> JournalFile::open(const std::string& path, const std::string& like) {
  FileDescriptor fd;
  do {
    fd = open_or_create(path);
    lock(fd.get(), path);
  } while (!is_still_at(fd.get(), path));
  take_permissions(fd.get(), path, like);
  sync_directory(directory_of(path));
  auto file = std::unique_ptr<JournalFile>(new JournalFile(path, std::move(fd)));
  file->end_ = file->size();
  return file;
}

uint64_t JournalFile::size() const {
  return static_cast<uint64_t>(stat_of(fd_.get(), path_).st_size);
}

size_t JournalFile::read(uint64_t offset, std::span<char> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

// What is written behind the end of a file that was cut would hide that.
void JournalFile::require_whole() const {
  require(size() >= end_, path_, ": the journal was cut to ", size(), " of ", end_,
          " bytes while the job ran: leave it alone until then");
}

void JournalFile::write(uint64_t offset, std::string_view data) {
  require_whole();
  while (!data.empty()) {
    const ssize_t wrote = ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail("write");
    offset += static_cast<uint64_t>(wrote);
    data.remove_prefix(static_cast<size_t>(wrote));
  }
  end_ = std::max(end_, offset);
}

void JournalFile::truncate(uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) fail("truncate");
  end_ = size;
}

void JournalFile::sync() {
  if (::fdatasync(fd_.get()) != 0) fail("flush");
  require(in_place(), path_,
          ": the journal was removed or replaced while the job ran: leave it alone until then");
  require_whole();
}

bool JournalFile::in_place() const {
  return is_still_at(fd_.get(), path_);
}

// While it is still locked, so that nobody loses another job's journal.
void JournalFile::remove() {
  if (std::exchange(removed_, true) || !in_place()) return;
  if (::unlink(path_.c_str()) != 0) fail("remove");
  sync_directory(directory_of(path_));
}

void JournalFile::fail(const char* action) const {
  const int reason = errno;
  const bool full = reason == ENOSPC || reason == EDQUOT;
  throw Error(concat(path_, ": cannot ", action, " the journal: ", system_reason(reason),
                     full ? "; free some space" : ""));
}

}  // namespace eet
