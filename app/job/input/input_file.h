// An input of the job: a file, a pipe or a terminal, that can be given up while waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "app/job/file_descriptor.h"
#include "app/job/file_id.h"

namespace eet {

class InputFile {
 public:
  // `path` "-" is standard input. Throws Error when it cannot be opened or is a directory.
  explicit InputFile(const std::string& path);

  // Reads up to out.size() bytes; 0 at the end, and when cancelled. Throws Error.
  size_t read(std::span<char> out);

  // Ends the input, also for a thread that waits in read(). May be called from any thread.
  void cancel();
  bool cancelled() const;

  const std::string& name() const { return name_; }  // for messages
  std::optional<FileId> id() const { return id_of_file(fd_.get()); }
  std::optional<int64_t> size() const { return size_; }  // of a regular file

 private:
  bool wait() const;  // false when cancelled

  std::string name_;
  FileDescriptor fd_;
  FileDescriptor cancel_;  // an eventfd: readable once cancelled
  std::optional<int64_t> size_;
};

}  // namespace eet
