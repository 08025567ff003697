// A file or stream that results of the job are written to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/job/file_descriptor.h"
#include "app/job/file_id.h"
#include "app/job/output/byte_sink.h"

namespace eet {

// Throws Error when `path` is a directory, is read-only, or cannot be created where it is.
void require_writable(const std::string& path);

// Whether `path` is a file that can be replaced by another, or could become one: not standard
// output, a pipe or a device.
bool is_file_or_absent(const std::string& path);

// Written as a stream, compressed where its name says so. Opening it early finds what cannot be
// written before any work is done; an existing file keeps its content until start().
class ResultFile {
 public:
  // `path` "-" is standard output. Throws Error as require_writable does, and when it is one of the
  // files `others`.
  ResultFile(const std::string& path, const FileIds& others);

  // Nothing where it is no regular file.
  std::optional<FileId> id() const { return id_of_file(fd_.get()); }

  // Empties a regular file.
  void start();

  // Writes all of `data`, or throws Error (disk full, reader gone).
  void write(std::string_view data) { sink_->write(data); }

  // Writes what compression holds back; to be called after the last write.
  void finish() { sink_->finish(); }

 private:
  void write_bytes(std::string_view data);

  std::string name_;
  FileDescriptor fd_;
  std::unique_ptr<ByteSink> sink_;
};

}  // namespace eet
