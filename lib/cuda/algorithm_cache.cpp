#include "lib/cuda/algorithm_cache.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <sstream>
#include <system_error>
#include <utility>

#include "lib/core/error.h"
#include "lib/files/regular_file.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFirstLine = "eet algorithms 1";
constexpr size_t kMaxLines = 100'000;
constexpr size_t kMaxBytes = size_t{64} << 20;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// Of a regular file; nothing where there is none that can be read.
std::string text_of(const fs::path& path) {
  try {
    return read_regular_file(path, kMaxBytes, Links::kAnywhere);
  } catch (const FileError&) {
    return {};
  }
}

}  // namespace

AlgorithmCache::AlgorithmCache(fs::path path) : path_(std::move(path)), known_(read(path_)) {}

std::optional<AlgorithmCache::Algorithm> AlgorithmCache::find(const std::string& product) const {
  const auto entry = known_.find(product);
  if (entry == known_.end()) return std::nullopt;
  return entry->second;
}

void AlgorithmCache::add(const std::string& product, const Algorithm& algorithm) {
  known_[product] = algorithm;
  changed_ = true;
}

void AlgorithmCache::save() noexcept {
  if (!changed_ || path_.empty()) return;
  // Engines of one process save at the same time.
  static std::atomic<int> saves = 0;
  const fs::path partial = concat(path_.string(), ".", ::getpid(), ".", saves++);
  try {
    known_.merge(read(path_));
    fs::create_directories(path_.parent_path());
    write(partial);
    fs::rename(partial, path_);
    changed_ = false;
  } catch (const std::exception&) {  // the next run of the program measures again
    std::error_code ignored;
    fs::remove(partial, ignored);
  }
}

AlgorithmCache::Lines AlgorithmCache::read(const fs::path& path) {
  std::istringstream file(path.empty() ? std::string() : text_of(path));
  std::string line;
  if (!std::getline(file, line) || line != kFirstLine) return {};
  Lines lines;
  while (std::getline(file, line) && lines.size() < kMaxLines) {
    std::istringstream words(line);
    std::string product;
    words >> product >> std::hex;
    Algorithm algorithm{};
    for (uint64_t& word : algorithm) words >> word;
    if (words && words.peek() == std::istringstream::traits_type::eof()) lines[product] = algorithm;
  }
  return lines;
}

void AlgorithmCache::write(const fs::path& path) const {
  std::ostringstream lines;
  lines << kFirstLine << '\n';
  for (const auto& [product, algorithm] : known_) {
    lines << product << std::hex;
    for (const uint64_t word : algorithm) lines << ' ' << word;
    lines << std::dec << '\n';
  }
  const std::string text = lines.str();
  // "x": a file or a link that is there already is not ours.
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "wxe"));
  require(file && std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() &&
              std::fclose(file.release()) == 0,
          path.string(), ": cannot write");
}

fs::path user_cache_file(const std::string& name) {
  // The specification has relative paths ignored.
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && fs::path(cache).is_absolute()) return fs::path(cache) / "eet" / name;
  const char* const home = std::getenv("HOME");
  if (home != nullptr && fs::path(home).is_absolute()) return fs::path(home) / ".cache/eet" / name;
  return {};
}

}  // namespace eet
