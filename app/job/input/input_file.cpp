#include "app/job/input/input_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "app/job/standard_streams.h"
#include "lib/core/error.h"

namespace eet {
namespace {

FileDescriptor open_input(const std::string& path) {
  if (path == "-") {
    require(!was_closed(STDIN_FILENO), "standard input: cannot stat: Bad file descriptor");
    return {STDIN_FILENO, /*owned=*/false};
  }
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC), /*owned=*/true);
  require_call(fd.get() >= 0, path, ": cannot open the input: ");
  return fd;
}

// Waits for any of `waits` to be ready, or looks without waiting.
template <size_t kCount>
void poll_all(pollfd (&waits)[kCount], int timeout_ms, const std::string& name) {
  while (::poll(waits, kCount, timeout_ms) < 0) {
    require_call(errno == EINTR, name, ": cannot wait for input: ");
  }
}

}  // namespace

InputFile::InputFile(const std::string& path)
    : name_(path == "-" ? "standard input" : path), fd_(open_input(path)) {
  struct stat info {};
  require_call(::fstat(fd_.get(), &info) == 0, name_, ": cannot stat: ");
  require(!S_ISDIR(info.st_mode), name_,
          ": expected a file, got a directory: give the files in it");
  if (S_ISREG(info.st_mode)) size_ = info.st_size;
  cancel_ = {::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), /*owned=*/true};
  require_call(cancel_.get() >= 0, name_, ": cannot make an eventfd: ");
}

void InputFile::cancel() {
  ::eventfd_write(cancel_.get(), 1);
}

bool InputFile::cancelled() const {
  pollfd waits[] = {{cancel_.get(), POLLIN, 0}};
  poll_all(waits, /*timeout_ms=*/0, name_);
  return waits[0].revents != 0;
}

bool InputFile::wait() const {
  pollfd waits[] = {{fd_.get(), POLLIN, 0}, {cancel_.get(), POLLIN, 0}};
  poll_all(waits, /*timeout_ms=*/-1, name_);
  return waits[1].revents == 0;
}

size_t InputFile::read(std::span<char> out) {
  if (!wait()) return 0;
  ssize_t got = 0;
  do {
    got = ::read(fd_.get(), out.data(), out.size());
  } while (got < 0 && errno == EINTR);
  require_call(got >= 0, name_, ": cannot read: ");
  return static_cast<size_t>(got);
}

}  // namespace eet
