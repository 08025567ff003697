// A JSON object of the input as a row, in the forms that bulk tools use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/job/input/input_row.h"
#include "app/job/input/prompt_template.h"

namespace eet {

// Where the prompts of plain rows come from.
struct PromptOptions {
  std::string column = "prompt";  // the field that is the prompt
  std::optional<PromptTemplate> prompt_template;
  bool scored = false;  // rows are to be scored
};

// Parses one object. Null is as good as absent everywhere. A row is
//   plain         {"id", prompt, parameters...}: the prompt is text, a list of token ids or a
//                 conversation in options.column, ids in prompt_token_ids (which win over text), a
//                 conversation in messages, or options.prompt_template filled with the row's fields
//                 (a string as its text, other values as their JSON text); custom_id is the id
//                 where there is no id;
//   OpenAI batch  {"custom_id", "method": "POST", "url", "body"} with url /v1/completions or
//                 /v1/chat/completions and prompt or messages, model and parameters in the body:
//                 a row with custom_id and any of the other three;
//   trtllm-bench  {"task_id", "prompt" | "input_ids", "output_tokens"}: a row with task_id and
//                 output_tokens or input_ids. As there, EOS does not end it, unless it has
//                 ignore_eos: false.
// A row to be scored is plain, and has beside its prompt a completion (text, in completion, or ids,
// in completion_token_ids; the prompt is then of the same kind, or messages). Without one the whole
// prompt, which then may also be in text, is scored.
//
// With a template every row is plain. Fields that no form knows pass through, renamed
// (pass_through) where a field of the output has their name, unless they look like a misspelt
// parameter; in an OpenAI body they are refused, since there they are parameters.
//
// Error codes: invalid_json, duplicate_key, invalid_id, missing_prompt, invalid_prompt,
// missing_field, invalid_messages, unsupported_messages, invalid_method, invalid_url, invalid_body,
// invalid_parameter, unsupported_parameter, unknown_parameter, invalid_completion.
//
// A row without an id gets the number of its place.
InputRow parse_row(std::string_view text, RowPlace place, const RowDefaults& defaults,
                   const PromptOptions& options = {});

// As parse_row(), for an object that can only be a plain row: a line of a table.
InputRow parse_plain_row(std::string_view text, RowPlace place, const RowDefaults& defaults,
                         const PromptOptions& options);

}  // namespace eet
