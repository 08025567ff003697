// Regular files from anywhere, opened so that they can neither hang the program nor fill its
// memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>

namespace eet {

// A file that cannot be read. The message names it.
class FileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Where symbolic links may lead. A model's folder may come from an archive, so its links stay
// inside it. In Hugging Face's cache a snapshot links to blobs beside it, and the folder is that of
// the whole model (models--ORG--NAME). A file that the user names may lie anywhere.
enum class Links { kInsideFolder, kAnywhere };

// What changes when a file is replaced or written to, as far as the system notes it.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;
  int64_t modified_ns = 0;  // mtime
  int64_t changed_ns = 0;   // ctime, which programs cannot set
  bool operator==(const FileIdentity&) const = default;
};

// An open regular file. Reading is thread-safe.
class RegularFile {
 public:
  // Opens `path` without waiting for anything. Throws FileError when it cannot be opened, is not a
  // regular file, or is reached by a link that leads out of its folder.
  explicit RegularFile(std::filesystem::path path, Links links = Links::kInsideFolder);
  ~RegularFile();
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  int descriptor() const { return fd_; }
  uint64_t size() const { return identity_.bytes; }  // when it was opened
  const FileIdentity& identity() const { return identity_; }
  FileIdentity identity_now() const;

  // Fills `out` from `offset` on. Throws FileError when the file ends before, or cannot be read.
  void read(uint64_t offset, std::span<char> out) const;

 private:
  std::filesystem::path path_;
  int fd_;
  FileIdentity identity_;
};

// The whole file. Throws FileError as RegularFile does, and when it has more than `max_bytes`.
std::string read_regular_file(const std::filesystem::path& path, size_t max_bytes,
                              Links links = Links::kInsideFolder);

}  // namespace eet
