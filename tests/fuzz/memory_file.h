// A file in memory, for parsers that take a path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "app/job/file_descriptor.h"
#include "tests/fuzz/entry.h"

namespace eet {

class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("fuzz", MFD_CLOEXEC), /*owned=*/true) {
    expect(fd_.get() >= 0, "memory for a file");
  }

  void set(std::string_view bytes) {
    const bool written =
        ::ftruncate(fd_.get(), 0) == 0 &&
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
    expect(written, "to write a file in memory");
  }

  // Valid as long as the file lives.
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  FileDescriptor fd_;
};

}  // namespace eet
