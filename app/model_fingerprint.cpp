#include "app/model_fingerprint.h"

#include <algorithm>
#include <string>

#include "app/fingerprint_cache.h"
#include "lib/core/error.h"
#include "lib/core/thread_pool.h"
#include "weights_tools/formats/gguf.h"
#include "weights_tools/formats/safetensors.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kChunkBytes = uint64_t{4} << 20;  // hashed by one thread at a time

std::string bytes_of(const Hash128& hash) {
  return {reinterpret_cast<const char*>(&hash), sizeof hash};
}

// Of all bytes: the hash of the hashes of its chunks.
Hash128 hash_content(const RegularFile& file, ThreadPool& pool) {
  const uint64_t chunks = (file.size() + kChunkBytes - 1) / kChunkBytes;
  std::string hashes(chunks * sizeof(Hash128), '\0');
  pool.parallel_for(static_cast<int64_t>(chunks), [&](int64_t chunk) {
    const uint64_t begin = static_cast<uint64_t>(chunk) * kChunkBytes;
    std::string bytes(std::min(kChunkBytes, file.size() - begin), '\0');
    file.read(begin, bytes);
    bytes_of(hash128(bytes)).copy(hashes.data() + chunk * sizeof(Hash128), sizeof(Hash128));
  });
  return hash128(hashes);
}

// The files of a model's directory that say what it computes: those that are read. Of an
// index only the names of the shards count, which are here.
std::vector<fs::path> files_of(const fs::path& model) {
  if (!fs::is_directory(model)) return gguf_files(model);
  std::vector<fs::path> files = safetensors_files(model);
  for (const char* name : {"config.json", "eet.json", "generation_config.json"}) {
    if (fs::is_regular_file(model / name)) files.push_back(model / name);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

ModelFiles::ModelFiles(const fs::path& model, std::span<const fs::path> tokenizer_files) try {
  std::vector<fs::path> paths = files_of(model);
  paths.insert(paths.end(), tokenizer_files.begin(), tokenizer_files.end());
  for (fs::path& path : paths) {
    const FileIdentity identity = RegularFile(path, Links::kAnywhere).identity();
    files_.push_back({std::move(path), identity});
  }
} catch (const FileError& error) {
  throw Error(error.what());
}

Hash128 ModelFiles::fingerprint() const try {
  FingerprintCache cache(fingerprint_cache_path());
  ThreadPool pool(available_cores());
  std::string text;
  for (const auto& [path, identity] : files_) {
    const RegularFile file(path, Links::kAnywhere);
    std::optional<Hash128> hash = cache.find(path, file.identity());
    if (!hash) {
      hash = hash_content(file, pool);
      if (file.identity_now() == identity) cache.add(path, identity, *hash);
    }
    require(file.identity_now() == identity, path.string(),
            ": the file was changed while the model was loaded; leave it alone and run again");
    text += concat(path.filename().string(), '\n', file.size(), '\n', bytes_of(*hash));
  }
  cache.save();
  return hash128(text);
} catch (const FileError& error) {
  throw Error(error.what());
}

std::vector<fs::path> ModelFiles::paths() const {
  std::vector<fs::path> paths;
  for (const File& file : files_) paths.push_back(file.path);
  return paths;
}

}  // namespace eet
