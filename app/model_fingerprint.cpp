#include "app/model_fingerprint.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "lib/core/error.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kWholeBytes = uint64_t{4} << 20;  // of each file's beginning
constexpr uint64_t kNumSamples = 1024;               // of what follows
constexpr uint64_t kSampleBytes = 4096;

void append_bytes(std::string& text, std::ifstream& file, uint64_t offset, uint64_t count) {
  const size_t held = text.size();
  text.resize(held + count);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(text.data() + held, static_cast<std::streamsize>(count));
}

void append_hash(std::string& text, const Hash128& hash) {
  text.append(reinterpret_cast<const char*>(&hash), sizeof hash);
}

Hash128 file_fingerprint(const fs::path& path) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  std::string text = concat(path.filename().string(), '\n', size, '\n');
  const uint64_t whole = std::min(size, kWholeBytes);
  append_bytes(text, file, 0, whole);
  const uint64_t rest = size - whole;
  const uint64_t stride = std::max(rest / kNumSamples, kSampleBytes);
  for (uint64_t offset = whole; offset < size; offset += stride) {
    append_bytes(text, file, offset, std::min(kSampleBytes, size - offset));
  }
  require(!error && file.good(), path.string(), ": cannot read the file");
  return hash128(text);
}

// The files of a model's directory that say what it computes.
std::vector<fs::path> model_files(const fs::path& model) {
  if (!fs::is_directory(model)) return {model};
  constexpr std::array kConfigFiles = {"config.json", "eet.json", "generation_config.json",
                                       "model.safetensors.index.json"};
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(model)) {
    const fs::path& path = entry.path();
    const bool wanted =
        path.extension() == ".safetensors" ||
        std::find(kConfigFiles.begin(), kConfigFiles.end(), path.filename()) != kConfigFiles.end();
    if (wanted && entry.is_regular_file()) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Hash128 model_fingerprint(const fs::path& model, std::span<const fs::path> tokenizer_files) {
  std::string text;
  for (const fs::path& file : model_files(model)) append_hash(text, file_fingerprint(file));
  for (const fs::path& file : tokenizer_files) append_hash(text, file_fingerprint(file));
  return hash128(text);
}

}  // namespace eet
