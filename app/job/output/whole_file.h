// A file that appears only when it is complete.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "app/job/output/byte_sink.h"
#include "app/job/output/output_place.h"
#include "weights_tools/output_file.h"

namespace eet {

// Built in the directory of its place, compressed where the name says so, and put in its place by
// finish(). Until then it has no name where the file system can do that (O_TMPFILE), so that also a
// killed program leaves nothing; elsewhere it has a name that nothing had before.
class WholeFile {
 public:
  // Throws Error when it cannot be created.
  explicit WholeFile(OutputPlace place);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  void write(std::string_view data);

  // Makes the file durable and puts it in its place. It keeps the permissions of one that it
  // replaces. Throws Error when what is there is not what was there when the place was looked at.
  void finish();

 private:
  void flush();
  void create();
  void give_name();

  OutputPlace place_;
  std::string partial_path_;  // empty while the file has no name
  std::unique_ptr<OutputFile> file_;
  std::unique_ptr<ByteSink> sink_;
  std::string buffer_;
};

}  // namespace eet
