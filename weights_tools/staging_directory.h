// A directory that appears complete or not at all.
#pragma once

#include <filesystem>

namespace eet {

// Collects files in a directory beside `destination`, and renames it there on commit(). Without a
// commit the destructor removes it; what a killed process left behind goes when the next one stages
// the same destination.
class StagingDirectory {
 public:
  // Throws Error when `destination` exists, unless `replace` is set and it is empty or holds what a
  // conversion writes and nothing else, and neither is `source` nor holds it.
  StagingDirectory(const std::filesystem::path& destination, const std::filesystem::path& source,
                   bool replace);
  ~StagingDirectory();
  StagingDirectory(const StagingDirectory&) = delete;
  StagingDirectory& operator=(const StagingDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Makes the directory durable under its final name, and removes the one it replaces.
  void commit();

 private:
  std::filesystem::path destination_;
  std::filesystem::path path_;  // empty once renamed
  int lock_ = -1;               // open, and locked, for as long as this is in use
  bool replace_;
};

}  // namespace eet
