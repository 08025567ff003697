// Which file a name or an open file is, whatever it is called.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace eet {

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};

// Of a regular file: pipes, devices and what is not there have none, since they may be used twice.
inline std::optional<FileId> id_of_file(const struct stat& info) {
  if (!S_ISREG(info.st_mode)) return std::nullopt;
  return FileId{info.st_dev, info.st_ino};
}

inline std::optional<FileId> id_of_file(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? id_of_file(info) : std::nullopt;
}

inline std::optional<FileId> id_of_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? id_of_file(info) : std::nullopt;
}

using FileIds = std::vector<std::optional<FileId>>;

}  // namespace eet
