// A line of JSON: as a row in any of its forms, and what becomes of that in the output.
#include <nlohmann/json.hpp>
#include <string>

#include "app/job/input/row_format.h"
#include "app/job/input/row_parser.h"
#include "app/job/output/completion.h"
#include "tests/fuzz/entry.h"

namespace eet {
namespace {

PromptOptions prompt_options(uint8_t choice) {
  PromptOptions options;
  options.scored = (choice & 1) != 0;
  if ((choice & 2) != 0) options.column = "text";
  if ((choice & 4) != 0) options.prompt_template.emplace("{a}: {prompt}");
  return options;
}

void check_row(InputRow row) {
  expect(!row.error || !row.error->code.empty(), "a code with every error");
  expect(!row.messages || nlohmann::json::accept(*row.messages), "messages in JSON");
  row.fail({"fuzz", row.error ? row.error->message : "good"});
  const Completion completion = failed_completion(std::move(row));
  for (RowStyle style : {RowStyle::kSimple, RowStyle::kOpenAi, RowStyle::kScore}) {
    OutputFormat format;
    format.style = style;
    expect(nlohmann::json::accept(format_row(completion, format)), "a row of the output in JSON");
  }
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  FuzzInput input(data, size);
  const uint8_t choice = input.byte();
  const PromptOptions options = prompt_options(choice);
  check_row((choice & 8) != 0 ? parse_plain_row(input.rest(), 1, {}, options)
                              : parse_row(input.rest(), 1, {}, options));
  return 0;
}
