#include "app/job/input/request_reader.h"

#include <utility>

namespace eet {

RequestReader::RequestReader(const std::string& path, RowDefaults defaults, InputOptions options,
                             size_t max_line_bytes)
    : lines_(path, max_line_bytes), defaults_(std::move(defaults)), options_(std::move(options)) {
  const InputFormat format =
      options_.format == InputFormat::kAuto ? format_of_name(path) : options_.format;
  reader_ = make_row_reader(format, lines_, {defaults_, options_.prompts, max_line_bytes});
}

std::optional<InputRow> RequestReader::next() {
  const auto at_limit = [&] { return options_.limit && input_rows_ >= *options_.limit; };
  for (; !options_.shard.has(input_rows_); ++input_rows_) {
    if (at_limit() || !reader_->skip()) return std::nullopt;
  }
  if (at_limit()) return std::nullopt;
  std::optional<InputRow> row = reader_->next();
  if (row) row->row = input_rows_++;
  return row;
}

}  // namespace eet
