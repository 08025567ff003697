// A file or stream that results of the job are written to.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "app/job/file_descriptor.h"

namespace eet {

// Where the output goes. Opening it early finds what cannot be written before any work is done; an
// existing file keeps its content until start().
class ResultFile {
 public:
  // `path` "-" is standard output. Throws Error when it is a directory, read-only, cannot be
  // created, or is the same file as one of the open files `others`.
  ResultFile(const std::string& path, std::initializer_list<int> others);

  int descriptor() const { return fd_.get(); }

  // Empties a regular file.
  void start();

  // Writes all of `data`, or throws Error (disk full, reader gone).
  void write(std::string_view data);

 private:
  std::string name_;
  FileDescriptor fd_;
};

}  // namespace eet
