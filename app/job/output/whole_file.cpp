#include "app/job/output/whole_file.h"

#include <filesystem>
#include <system_error>

#include "app/job/input/compression.h"
#include "lib/core/error.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

// Creates the file, over what a killed program left.
std::unique_ptr<OutputFile> create(const std::string& path) {
  std::error_code ignored;
  fs::remove(path, ignored);
  return std::make_unique<OutputFile>(path);
}

}  // namespace

std::string link_target(const std::string& path) {
  return fs::is_symlink(path) ? fs::weakly_canonical(path).string() : path;
}

WholeFile::WholeFile(const std::string& path)
    : path_(link_target(path)),
      partial_path_(path_ + ".eet-partial"),
      file_(create(partial_path_)) {
  sink_ = make_byte_sink(compression_of_name(path),
                         [this](std::string_view data) { file_->write(data); });
}

WholeFile::~WholeFile() {
  std::error_code ignored;
  fs::remove(partial_path_, ignored);
}

void WholeFile::write(std::string_view data) {
  constexpr size_t kWriteBytes = size_t{1} << 20;
  buffer_ += data;
  if (buffer_.size() >= kWriteBytes) flush();
}

void WholeFile::flush() {
  sink_->write(buffer_);
  buffer_.clear();
}

void WholeFile::finish() {
  flush();
  sink_->finish();
  file_->finish();
  std::error_code error;
  const fs::file_status present = fs::status(path_, error);
  if (fs::exists(present)) fs::permissions(partial_path_, present.permissions(), error);
  fs::rename(partial_path_, path_, error);
  require(!error, path_, ": cannot rename ", partial_path_, ": ", error.message());
  sync_directory(fs::absolute(path_).parent_path());
}

}  // namespace eet
