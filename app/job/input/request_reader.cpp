#include "app/job/input/request_reader.h"

#include <utility>

#include "app/job/journal/hash.h"
#include "lib/core/error.h"

namespace eet {

struct RequestReader::OpenInput {
  OpenInput(const std::string& path, size_t max_line_bytes) : lines(path, max_line_bytes) {}

  LineReader lines;
  std::unique_ptr<RowReader> rows;  // made when it is the input's turn
};

void RequestReader::start(OpenInput& input, const std::string& path) const {
  const InputFormat format =
      options_.format == InputFormat::kAuto ? format_of_name(path) : options_.format;
  RowSettings settings = {defaults_, options_.prompts, max_line_bytes_};
  if (paths_.size() > 1) settings.file = input.lines.name();
  settings.first_number = first_number_;
  input.rows = make_row_reader(format, input.lines, settings);
}

RequestReader::RequestReader(std::vector<std::string> paths, RowDefaults defaults,
                             InputOptions options, size_t max_line_bytes)
    : paths_(std::move(paths)),
      defaults_(std::move(defaults)),
      options_(std::move(options)),
      max_line_bytes_(max_line_bytes),
      open_(paths_.size()) {
  require(!paths_.empty(), "expected an input, got none");
  for (size_t i = 0; i < paths_.size(); ++i) {
    auto input = std::make_unique<OpenInput>(paths_[i], max_line_bytes_);
    add_file(input->lines);
    // A pipe cannot be opened again, nor can what a shell opened as standard input.
    const bool may_be_closed = i > 0 && files_[i] && paths_[i] != "-";
    if (i == 0 || may_be_closed) start(*input, paths_[i]);
    if (!may_be_closed) open_[i] = std::move(input);
  }
}

RequestReader::~RequestReader() = default;

void RequestReader::add_file(const LineReader& lines) {
  const std::optional<FileId> file = lines.file();
  const size_t i = files_.size();
  for (size_t other = 0; other < i; ++other) {
    require(paths_[other] != paths_[i] && (!file || file != files_[other]), lines.name(),
            ": the same input as ", paths_[other], ": give each input once");
  }
  files_.push_back(file);
  sizes_.push_back(lines.total_bytes());
}

// Goes on to the next input; false when there is none.
bool RequestReader::advance() {
  OpenInput& present = *open_[current_];
  if (current_ + 1 == paths_.size()) return false;
  const std::string& path = paths_[current_ + 1];
  std::unique_ptr<OpenInput> next = std::move(open_[current_ + 1]);
  if (!next) next = std::make_unique<OpenInput>(path, max_line_bytes_);
  first_number_ += present.rows->count();
  hashes_ += std::to_string(present.lines.content_hash()) + ' ';
  {
    const std::scoped_lock lock(mutex_);
    if (cancelled_) return false;
    bytes_read_ += present.lines.total_bytes().value_or(0);
    open_[current_].reset();
    open_[++current_] = std::move(next);
  }
  start(*open_[current_], path);
  return true;
}

std::optional<InputRow> RequestReader::next() {
  const auto skip = [this] {
    while (!open_[current_]->rows->skip()) {
      if (!advance()) return false;
    }
    return true;
  };
  const auto at_limit = [&] { return options_.limit && input_rows_ >= *options_.limit; };
  for (; !options_.shard.has(input_rows_); ++input_rows_) {
    if (at_limit() || !skip()) return std::nullopt;
  }
  if (at_limit()) return std::nullopt;
  std::optional<InputRow> row = open_[current_]->rows->next();
  while (!row && advance()) row = open_[current_]->rows->next();
  if (row) row->row = input_rows_++;
  return row;
}

void RequestReader::cancel() {
  const std::scoped_lock lock(mutex_);
  cancelled_ = true;
  open_[current_]->lines.cancel();
}

std::optional<int64_t> RequestReader::total_bytes() const {
  const std::scoped_lock lock(mutex_);
  const std::optional<int64_t> present = open_[current_]->lines.total_bytes();
  int64_t later = 0;
  for (size_t i = current_; i < sizes_.size(); ++i) {
    if (!sizes_[i]) return std::nullopt;
    if (i > current_) later += *sizes_[i];
  }
  if (!present || *sizes_[current_] == 0) return bytes_read_ + later;
  // Later inputs are supposed to be compressed as well as the present one.
  const double ratio = static_cast<double>(*present) / static_cast<double>(*sizes_[current_]);
  return bytes_read_ + *present + static_cast<int64_t>(ratio * static_cast<double>(later));
}

uint64_t RequestReader::content_hash() const {
  const uint64_t last = open_[current_]->lines.content_hash();
  return paths_.size() == 1 ? last : hash64(hashes_, last);
}

}  // namespace eet
