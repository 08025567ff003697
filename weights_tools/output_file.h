// A file being written, with every error reported.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace eet {

// Creates `path`, which must not exist. Throws Error with the system's reason: disk full,
// read-only, no permission.
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);
  // Takes over the open file `fd`, which messages call `path`.
  OutputFile(std::filesystem::path path, int fd);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  int descriptor() const { return fd_; }

  // Flushes to the disk.
  void sync();

  // Flushes to the disk and closes; errors that only show now are thrown too.
  void finish();

 private:
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path path_;
  int fd_ = -1;
};

// Makes the entries of `directory` (names, renames) durable.
void sync_directory(const std::filesystem::path& directory);

}  // namespace eet
