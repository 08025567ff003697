#include "tokenizer/jinja/template.h"

#include <utility>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/json_text.h"
#include "tokenizer/jinja/parser.h"

namespace eet::jinja {

Template::Template(std::string_view source) : body_(parse(source)) {}

std::string Template::render(const nlohmann::ordered_json& variables, Clock clock,
                             const Limits& limits) const {
  const Value values = from_json(variables);
  if (values.dict() == nullptr) throw Error("the variables of a template must be an object");
  return Interpreter(limits, std::move(clock)).render(body_, values.dict()->entries());
}

}  // namespace eet::jinja
