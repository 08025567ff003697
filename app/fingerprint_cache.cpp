#include "app/fingerprint_cache.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <system_error>

#include "lib/core/error.h"
#include "weights_tools/output_file.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFirstLine = "eet fingerprints 1";
constexpr size_t kMaxBytes = size_t{4} << 20;
constexpr size_t kMaxFiles = 4096;

std::string absolute_name(const fs::path& file) {
  std::error_code error;
  const fs::path name = fs::canonical(file, error);
  return (error ? fs::absolute(file) : name).string();
}

}  // namespace

FingerprintCache::FingerprintCache(fs::path path) : path_(std::move(path)) {
  std::string text;
  try {
    if (!path_.empty()) text = read_regular_file(path_, kMaxBytes, Links::kAnywhere);
  } catch (const FileError&) {
    return;
  }
  std::istringstream lines(text);
  std::string line;
  if (!std::getline(lines, line) || line != kFirstLine) return;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    Hash128 hash;
    FileIdentity file;
    std::string name;
    words >> hash.low >> hash.high >> file.device >> file.inode >> file.bytes >> file.modified_ns >>
        file.changed_ns;
    if (words.get() == ' ' && std::getline(words, name)) files_[name] = {file, hash};
  }
}

std::optional<Hash128> FingerprintCache::find(const fs::path& file,
                                              const FileIdentity& identity) const {
  const auto found = files_.find(absolute_name(file));
  if (found == files_.end() || found->second.first != identity) return std::nullopt;
  return found->second.second;
}

void FingerprintCache::add(const fs::path& file, const FileIdentity& identity,
                           const Hash128& hash) {
  using std::chrono::duration_cast;
  using std::chrono::nanoseconds;
  constexpr std::chrono::seconds kCoarsestTick(2);
  const std::string name = absolute_name(file);
  const nanoseconds now = std::chrono::system_clock::now().time_since_epoch();
  const nanoseconds changed(std::max(identity.modified_ns, identity.changed_ns));
  if (changed + kCoarsestTick > now || name.find('\n') != std::string::npos) return;
  files_[name] = {identity, hash};
  changed_ = true;
}

void FingerprintCache::save() noexcept {
  if (!changed_ || path_.empty()) return;
  fs::path partial;
  try {
    partial = concat(path_.string(), ".", ::getpid());
    std::ostringstream text;
    text.exceptions(std::ostringstream::badbit);  // no part is left out in silence
    text << kFirstLine << '\n';
    size_t count = 0;
    for (const auto& [name, entry] : files_) {
      const auto& [file, hash] = entry;
      std::error_code error;
      if (++count > kMaxFiles || !fs::exists(name, error)) continue;
      text << hash.low << ' ' << hash.high << ' ' << file.device << ' ' << file.inode << ' '
           << file.bytes << ' ' << file.modified_ns << ' ' << file.changed_ns << ' ' << name
           << '\n';
    }
    fs::create_directories(path_.parent_path());
    fs::remove(partial);
    OutputFile file(partial);
    file.write(text.str());
    file.finish();
    fs::rename(partial, path_);
    changed_ = false;
  } catch (const std::exception&) {
    std::error_code error;
    fs::remove(partial, error);
  }
}

fs::path fingerprint_cache_path() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache == '/') return fs::path(cache) / "eet" / "fingerprints";
  const char* const home = std::getenv("HOME");
  if (home != nullptr && *home == '/') return fs::path(home) / ".cache" / "eet" / "fingerprints";
  return {};
}

}  // namespace eet
