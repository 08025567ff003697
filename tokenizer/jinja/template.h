// Templates in a subset of the Jinja language: what chat templates that are published with models
// use, with the results of Jinja2's ImmutableSandboxedEnvironment as transformers sets it up.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/budget.h"
#include "tokenizer/jinja/clock.h"
#include "tokenizer/jinja/error.h"

namespace eet::jinja {

// Immutable: any number of threads may render at the same time.
class Template {
 public:
  // Error with its line on what is malformed or outside the subset.
  explicit Template(std::string_view source);

  // The text for `variables`, an object. Error with its line when the template raises one, uses
  // what is not there or unsupported, or exceeds `limits`.
  std::string render(const nlohmann::ordered_json& variables, Clock clock,
                     const Limits& limits = {}) const;

 private:
  Body body_;
};

}  // namespace eet::jinja
