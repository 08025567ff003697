// --prompt-template: a template, and a row's fields for it.
#include "app/job/input/prompt_template.h"

#include <algorithm>

#include "app/job/input/json_members.h"
#include "lib/core/error.h"
#include "tests/fuzz/entry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  FuzzInput input(data, size);
  const size_t field_bytes = input.byte() % 16;
  const bool some_absent = input.byte() % 2 != 0;
  try {
    const PromptTemplate prompt_template(input.rest());
    const size_t fields = prompt_template.fields().size();
    size_t asked = 0;
    const std::string prompt =
        prompt_template.render([&](std::string_view name) -> std::optional<std::string> {
          ++asked;
          if (some_absent && name.size() == field_bytes) return std::nullopt;
          return std::string(field_bytes, 'x');
        });
    expect(fields > 0 && asked == fields, "each field to be asked for");
    expect(prompt.size() >= fields * field_bytes && prompt.size() <= size + fields * field_bytes,
           "a prompt of the template's text and the fields'");
  } catch (const Error&) {
  } catch (const BadRow&) {
  }
  return 0;
}
