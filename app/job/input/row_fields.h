// What rows of every form take from the members of their object.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "app/job/input/input_row.h"
#include "app/job/input/json_members.h"
#include "app/job/input/row_parameters.h"

namespace eet {

using Members = std::span<const JsonMember>;

bool is_one_of(std::string_view key, std::initializer_list<std::string_view> names);

// The member `key`; null where there is none or its value is null.
const JsonMember* find(Members members, std::string_view key);

// All throw BadRow.

void take_id(InputRow& row, const JsonMember& member);  // invalid_id

// A list of whole numbers of 32 bits; what else it is gives an error of `code`.
std::vector<int32_t> token_ids(const Field& field, const char* code);

// Text or token ids, also as the only member of a list, as OpenAI's completions may have them.
void set_prompt(InputRow& row, const Field& field);          // invalid_prompt
void set_messages(InputRow& row, const JsonMember& member);  // as check_messages

// Appends `member`, one of `members`, to what passes through: under its own name or, where that is
// a field of the output, with "input_" in front as often as it takes to be a name of its own.
void pass_through(InputRow& row, Members members, const JsonMember& member, RowStyle style);

}  // namespace eet
