#include "lib/host_memory.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace eet {
namespace {

namespace fs = std::filesystem;

// The names of one version of control groups.
struct GroupFiles {
  const char* limit;
  const char* usage;
  const char* cache;  // of memory.stat: file pages that the kernel gives up first
};

constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                  "total_inactive_file"};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file"};

// The number behind `key` in a file of lines "key number".
std::optional<int64_t> number_of(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    int64_t number = 0;
    if (words >> name >> number && name == key) return number;
  }
  return std::nullopt;
}

// The only number in a file; nothing where there is none, as in "max".
std::optional<int64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

int64_t machine_bytes(const fs::path& proc, const std::string& key) {
  constexpr int64_t kBytesPerUnit = 1024;
  return number_of(proc / "meminfo", key + ":").value_or(0) * kBytesPerUnit;
}

void apply_limit(const fs::path& group, const GroupFiles& files, HostMemory& memory) {
  const std::optional<int64_t> limit = number_in(group / files.limit);
  if (!limit || *limit >= memory.total_bytes) return;
  const int64_t used = number_in(group / files.usage).value_or(0);
  const int64_t cache = number_of(group / "memory.stat", files.cache).value_or(0);
  memory.total_bytes = *limit;
  memory.free_bytes = std::clamp<int64_t>(*limit - (used - cache), 0, memory.free_bytes);
}

// The limits of the group `name` below `root` and of all around it. In a container the name may be
// one of the host's, of which only the root is seen.
void apply_limits(const fs::path& root, const fs::path& name, const GroupFiles& files,
                  HostMemory& memory) {
  for (fs::path group = name.relative_path(); !group.empty(); group = group.parent_path()) {
    apply_limit(root / group, files, memory);
  }
  apply_limit(root, files, memory);
}

}  // namespace

HostMemory read_host_memory(const fs::path& proc, const fs::path& groups) {
  HostMemory memory = {machine_bytes(proc, "MemAvailable"), machine_bytes(proc, "MemTotal")};
  // Lines "number:controllers:name"; version 2 has no controllers.
  std::ifstream file(proc / "self" / "cgroup");
  std::string line;
  while (std::getline(file, line)) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string name = line.substr(second + 1);
    if (controllers == ",,") {
      apply_limits(groups, name, kVersion2, memory);
      apply_limits(groups / "unified", name, kVersion2, memory);
    } else if (controllers.find(",memory,") != std::string::npos) {
      apply_limits(groups / "memory", name, kVersion1, memory);
    }
  }
  return memory;
}

}  // namespace eet
