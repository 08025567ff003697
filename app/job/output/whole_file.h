// A file that appears only when it is complete.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "app/job/output/byte_sink.h"
#include "weights_tools/output_file.h"

namespace eet {

// The file that `path` leads to where it is a symbolic link, else `path`.
std::string link_target(const std::string& path);

// Built beside `path`, or beside the file that it leads to as a symbolic link, compressed where
// that name says so, and put in its place by finish(). Without that, what was at `path` stays as it
// was, and nothing else stays.
class WholeFile {
 public:
  // Throws Error when it cannot be created.
  explicit WholeFile(const std::string& path);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  void write(std::string_view data);

  // Makes the file durable and puts it in its place. It keeps the permissions of one that it
  // replaces.
  void finish();

 private:
  void flush();

  std::string path_;
  std::string partial_path_;
  std::unique_ptr<OutputFile> file_;
  std::unique_ptr<ByteSink> sink_;
  std::string buffer_;
};

}  // namespace eet
