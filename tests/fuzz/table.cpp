// Files of rows: CSV, TSV, lines of text and of JSON, and JSON arrays.
#include "app/job/input/json_array_rows.h"
#include "app/job/input/line_reader.h"
#include "app/job/input/row_reader.h"
#include "lib/core/error.h"
#include "tests/fuzz/large_windows.h"
#include "tests/fuzz/memory_file.h"

namespace eet {
namespace {

constexpr InputFormat kFormats[] = {InputFormat::kCsv, InputFormat::kTsv, InputFormat::kText,
                                    InputFormat::kJsonl};

// A compressed input may hold any number of rows.
constexpr int kMaxRows = 1000;

void read_rows(const std::string& path, InputFormat format, const PromptOptions& prompts,
               size_t max_line_bytes) {
  LineReader lines(path, max_line_bytes);
  const RowDefaults defaults;
  const auto reader = make_row_reader(format, lines, {defaults, prompts, max_line_bytes});
  uint64_t last_line = 0;
  const bool is_array = format == InputFormat::kJsonl && JsonArrayReader::is_next(lines);
  for (int count = 0; count < kMaxRows; ++count) {
    const std::optional<InputRow> row = reader->next();
    if (!row) return;
    // Elements of an array may share a line.
    expect(row->place.line > last_line || (is_array && row->place.line == last_line),
           "rows in the order of their lines");
    expect(!row->error || !row->error->code.empty(), "a code with every error");
    last_line = row->place.line;
  }
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  static MemoryFile file;
  FuzzInput input(data, size);
  const uint8_t choice = input.byte();
  PromptOptions prompts;
  if ((choice & 4) != 0) prompts.prompt_template.emplace("{a}: {b}");
  file.set(input.rest());
  try {
    read_rows(file.path(), kFormats[choice % 4], prompts, 16 + choice);
  } catch (const Error&) {
  }
  return 0;
}
