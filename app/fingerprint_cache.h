// Hashes of files that were read in full before, so that a large model is hashed once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "app/job/journal/hash.h"
#include "lib/files/regular_file.h"

namespace eet {

// A small text file, a line for each hashed file: its hash, identity and path. A file counts as the
// one that was hashed when its path, device, inode, size, mtime and ctime are the same; programs
// cannot set the last.
class FingerprintCache {
 public:
  // Reads `path`; what is missing or unreadable is as if empty. Without a path nothing is kept.
  explicit FingerprintCache(std::filesystem::path path);

  std::optional<Hash128> find(const std::filesystem::path& file,
                              const FileIdentity& identity) const;

  // A file that was changed a moment ago could change again within the same tick of the system's
  // clock: it is not taken.
  void add(const std::filesystem::path& file, const FileIdentity& identity, const Hash128& hash);

  // Writes what is new. Failing costs the next run a hash, and is not reported.
  void save() noexcept;

 private:
  std::filesystem::path path_;
  std::map<std::string, std::pair<FileIdentity, Hash128>> files_;
  bool changed_ = false;
};

// $XDG_CACHE_HOME/eet/fingerprints, or in ~/.cache; empty where there is neither.
std::filesystem::path fingerprint_cache_path();

}  // namespace eet
