#include "app/job/output/output_place.h"

#include <sys/stat.h>

#include <filesystem>

#include "app/job/output/result_file.h"
#include "lib/core/error.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

// Where links lead. What is no file to be replaced keeps its name: /dev/stdout leads to one that
// cannot be opened, or to a file that is not ours.
std::string resolved(const std::string& name) {
  if (!is_file_or_absent(name)) return name;
  constexpr int kMaxLinks = 40;  // as the kernel's
  fs::path path = name;
  for (int links = 0; fs::is_symlink(fs::symlink_status(path)); ++links) {
    require(links < kMaxLinks, name, ": the symbolic links of the output lead in a circle");
    path = path.parent_path() / fs::read_symlink(path);
  }
  return path.string();
}

std::optional<struct stat> stat_at(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return std::nullopt;
  return info;
}

}  // namespace

OutputPlace::OutputPlace(const std::string& name) : path_(resolved(name)) {
  if (const std::optional<struct stat> info = stat_at(path_)) {
    file_ = {info->st_dev, info->st_ino};
    permissions_ = info->st_mode & 0777;
  }
}

void OutputPlace::require_unchanged() const {
  const std::optional<struct stat> info = stat_at(path_);
  const bool same = info.has_value() == file_.has_value() &&
                    (!info || File(info->st_dev, info->st_ino) == *file_);
  require(same, path_,
          file_ ? ": the file that was to be replaced was itself replaced or removed "
                  "while the job ran"
                : ": a file that was not there when the job began is in the output's "
                  "place",
          ": move it away, or give another --output");
}

}  // namespace eet
