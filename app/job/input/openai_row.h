// Rows that are lines of OpenAI's batch input.
#pragma once

#include "app/job/input/input_row.h"
#include "app/job/input/row_fields.h"

namespace eet {

// {"custom_id", "method": "POST", "url", "body"}: a row with custom_id and a body, method or url.
bool is_openai_row(Members members);

// Takes all of such a row. Where it names no method or url, it is a POST of a chat if the body has
// messages, else of a completion. Throws BadRow.
void parse_openai_row(InputRow& row, Members members, const RowDefaults& defaults);

}  // namespace eet
