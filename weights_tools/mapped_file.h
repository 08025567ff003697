// A file mapped for reading.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "lib/files/regular_file.h"

namespace eet {

// Read-only and immovable; shared by everything that points into it. Pages are read when touched.
class MappedFile {
 public:
  // Throws Error when `path` is no regular file, is empty, or cannot be read. Whoever touches pages
  // of a file that has become shorter since gets SIGBUS.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path,
                                                Links links = Links::kInsideFolder);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const { return file_->path(); }
  std::span<const std::byte> bytes() const { return bytes_; }

  // Takes the whole pages in `part` of bytes() out of the process's memory: they have been read for
  // good. Whoever touches them all the same has them read again.
  void release(std::span<const std::byte> part) const;

 private:
  MappedFile(std::unique_ptr<const RegularFile> file, std::span<const std::byte> bytes)
      : file_(std::move(file)), bytes_(bytes) {}

  std::unique_ptr<const RegularFile> file_;
  std::span<const std::byte> bytes_;
};

}  // namespace eet
