#include "app/hub_cache.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <system_error>

#include "lib/core/error.h"
#include "lib/files/regular_file.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

// An absolute or relative path in a variable; empty where it is unset or empty.
fs::path path_of(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? fs::path() : fs::path(value);
}

// A component of a name on the hub: letters, digits, "-", "_" and ".", and no step out of a folder.
bool is_plain(std::string_view part) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  return !part.empty() && part.size() <= 96 && part.front() != '.' &&
         part.find("..") == part.npos && std::ranges::all_of(part, allowed);
}

bool is_commit(std::string_view text) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 40 && std::ranges::all_of(text, is_hex);
}

// "org/model" is kept in models--org--model.
std::optional<std::string> folder_of(std::string_view name) {
  const size_t slash = name.find('/');
  std::string folder = "models--";
  if (slash != name.npos) {
    if (!is_plain(name.substr(0, slash))) return std::nullopt;
    folder += std::string(name.substr(0, slash)) + "--";
    name.remove_prefix(slash + 1);
  }
  if (!is_plain(name)) return std::nullopt;
  return folder + std::string(name);
}

// The commit that a branch or tag stands for, as the file of that name in refs/ has it.
std::optional<std::string> commit_of(const fs::path& repository, const std::string& revision) {
  if (is_commit(revision)) return revision;
  if (!is_plain(revision)) return std::nullopt;
  constexpr size_t kMaxRefBytes = 4096;
  try {
    std::istringstream file(
        read_regular_file(repository / "refs" / revision, kMaxRefBytes, Links::kAnywhere));
    std::string commit;
    file >> commit;
    if (is_commit(commit)) return commit;
  } catch (const FileError&) {
    return std::nullopt;
  }
  return std::nullopt;
}

bool is_inside(const fs::path& path, const fs::path& folder) {
  const auto [end, ignored] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

// The files of a snapshot are links to blobs of the same cache.
void check_links(const fs::path& snapshot, const fs::path& cache) {
  const fs::path root = fs::canonical(cache);
  for (const fs::directory_entry& entry : fs::directory_iterator(snapshot)) {
    std::error_code broken;
    const fs::path target = fs::canonical(entry.path(), broken);
    require(broken || is_inside(target, root), entry.path().string(), ": leads to ",
            target.string(), ", expected a file of the cache ", root.string(),
            "; give the model's folder itself as -m");
  }
}

}  // namespace

fs::path hub_cache() {
  if (fs::path cache = path_of("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const fs::path home = path_of("HF_HOME"); !home.empty()) return home / "hub";
  if (const fs::path cache = path_of("XDG_CACHE_HOME"); !cache.empty()) {
    return cache / "huggingface/hub";
  }
  const fs::path home = path_of("HOME");
  return home.empty() ? home : home / ".cache/huggingface/hub";
}

std::optional<fs::path> find_snapshot(const fs::path& cache, const std::string& name) {
  const size_t at = std::min(name.find('@'), name.size());
  const std::string revision = at < name.size() ? name.substr(at + 1) : "main";
  const std::optional<std::string> folder = folder_of(name.substr(0, at));
  if (!folder) return std::nullopt;
  const std::optional<std::string> commit = commit_of(cache / *folder, revision);
  if (!commit) return std::nullopt;
  const fs::path snapshot = cache / *folder / "snapshots" / *commit;
  if (!fs::is_directory(snapshot)) return std::nullopt;
  check_links(snapshot, cache);
  return snapshot;
}

std::string locate_model(const std::string& name) {
  std::error_code ignored;
  if (fs::exists(name, ignored)) return name;
  const fs::path cache = hub_cache();
  if (!cache.empty()) {
    if (const std::optional<fs::path> snapshot = find_snapshot(cache, name)) {
      return snapshot->string();
    }
  }
  const bool is_name = folder_of(name.substr(0, name.find('@'))).has_value();
  throw Error(concat(name, ": expected a model, got no such file or directory",
                     is_name && !cache.empty()
                         ? concat(", and the Hugging Face cache ", cache.string(),
                                  " has no model of that name; eet fetches nothing: download it "
                                  "there first (hf download ",
                                  name, ")")
                         : "; give a model's directory, or its name on the Hugging Face hub"));
}

}  // namespace eet
