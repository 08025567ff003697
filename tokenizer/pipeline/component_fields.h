// Fields that several kinds of component in tokenizer.json have.
#pragma once

#include <memory>
#include <string>

#include "tokenizer/json_view.h"
#include "tokenizer/regex/pattern.h"

namespace eet {

// {"String": "..."} or {"Regex": "..."}.
std::unique_ptr<Pattern> read_pattern(const JsonView& pattern);

// A string of one character.
const std::string& read_character(const JsonView& field);

// Calls `visit` for a component and, where it is a Sequence, for its `members` instead. Null means
// none. Each costs a pass over every text, and pre-tokenizers call each other: their number is
// bounded, far above the five of published tokenizers.
template <typename Visit>
void for_each_component(const JsonView& component, const char* members, const Visit& visit,
                        int depth = 0) {
  constexpr int kDeepest = 16;
  constexpr size_t kMostMembers = 64;
  if (component.is_null()) return;
  if (component["type"].string() != "Sequence") {
    visit(component);
    return;
  }
  if (depth == kDeepest) component["type"].fail("fewer Sequences inside each other");
  const JsonView list = component[members];
  if (list.array().size() > kMostMembers) {
    list.fail("at most " + std::to_string(kMostMembers) + " members");
  }
  for (size_t i = 0; i < list.array().size(); ++i) {
    for_each_component(list.at(i), members, visit, depth + 1);
  }
}

}  // namespace eet
