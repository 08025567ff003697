// Where an output is to be, and what was there when the job began.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

namespace eet {

// The name of an output that is a regular file or becomes one. Where the name is a symbolic link,
// also one that leads to nothing yet, the place is where it leads: the file is replaced there, not
// the link.
class OutputPlace {
 public:
  // Throws Error when links lead in a circle.
  explicit OutputPlace(const std::string& name);

  const std::string& path() const { return path_; }

  // The permissions that the new file is to have; nothing where it replaces none.
  std::optional<mode_t> permissions() const { return permissions_; }

  // Throws Error when another file came to be here since, or the one that was here went.
  void require_unchanged() const;
  bool was_empty() const { return !file_; }

 private:
  using File = std::pair<dev_t, ino_t>;

  std::string path_;
  std::optional<File> file_;
  std::optional<mode_t> permissions_;
};

}  // namespace eet
