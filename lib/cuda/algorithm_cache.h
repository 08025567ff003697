// Which algorithm is the fastest for a product, remembered from one run of the program to the next.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace eet {

// A file of lines, one for each product: a name without white space and an algorithm. What cannot
// be read is measured again; what cannot be written is measured by every run.
class AlgorithmCache {
 public:
  // As cuBLASLt has it (cublasLtMatmulAlgo_t): plain data that hold for one version of it.
  using Algorithm = std::array<uint64_t, 8>;

  // An empty path: nothing is remembered.
  explicit AlgorithmCache(std::filesystem::path path);

  std::optional<Algorithm> find(const std::string& product) const;
  void add(const std::string& product, const Algorithm& algorithm);

  // Writes the file, whole or not at all, where something was added; a file that another process
  // wrote meanwhile keeps its lines.
  void save() noexcept;

 private:
  using Lines = std::map<std::string, Algorithm>;

  static Lines read(const std::filesystem::path& path);
  void write(const std::filesystem::path& path) const;

  std::filesystem::path path_;
  Lines known_;
  bool changed_ = false;
};

// `name` in eet's folder of the user's cache directory: $XDG_CACHE_HOME, else ~/.cache (XDG Base
// Directory Specification). Empty where neither is known.
std::filesystem::path user_cache_file(const std::string& name);

}  // namespace eet
