#include "app/job/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

namespace eet {
namespace {

std::array<bool, 3> closed_streams = {};

}  // namespace

void reserve_standard_streams() {
  for (int fd = 0; fd < static_cast<int>(closed_streams.size()); ++fd) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    closed_streams[static_cast<size_t>(fd)] = true;
    // The lowest free number, which is this one.
    const int direction = fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY;
    if (::open("/dev/null", direction) != fd) return;
  }
}

bool was_closed(int fd) {
  return closed_streams[static_cast<size_t>(fd)];
}

}  // namespace eet
