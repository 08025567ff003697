// What kind of file the input is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/job/input/row_parser.h"
#include "app/job/shard.h"

namespace eet {

enum class InputFormat {
  kAuto,   // by the name of the file
  kJsonl,  // a JSON object a line
  kText,   // a prompt a line
  kCsv,    // a header and records, with commas
  kTsv,    // the same with tabs
};

struct InputOptions {
  InputFormat format = InputFormat::kAuto;
  PromptOptions prompts;
  Shard shard;                    // of the input's rows, those that are read
  std::optional<uint64_t> limit;  // rows, the first of the input, that there are for all shards
};

// The format that the name of a file tells: .txt, .csv and .tsv, also in front of .gz, .xz or .zst,
// in any case of letters; JSON lines for all others and for "-".
InputFormat format_of_name(std::string_view path);

}  // namespace eet
