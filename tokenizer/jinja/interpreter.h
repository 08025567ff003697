// Walks a parsed template and writes its text.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/builtins.h"

namespace eet::jinja {

// One rendering. Errors carry the line that was last looked at.
class Interpreter {
 public:
  Interpreter(const Limits& limits, Clock clock) : runtime_{Budget(limits), std::move(clock), {}} {}

  std::string render(const Body& body, const std::vector<Dict::Entry>& variables);

 private:
  // The names that a loop's body, a macro or a block sets; others are looked up further out.
  struct Scope {
    Scope* outer;
    std::vector<std::pair<std::string_view, Value>> names;

    const Value* find(std::string_view name) const;
    void set(std::string_view name, Value value);
  };
  class ScopeGuard;

  enum class Flow { kNext, kBreak, kContinue };

  Flow execute(const Body& body);
  Flow execute_node(const Data& node);
  Flow execute_node(const Print& node);
  Flow execute_node(const If& node);
  Flow execute_node(const For& node);
  Flow execute_node(const Set& node);
  Flow execute_node(const SetBlock& node);
  Flow execute_node(const Macro& node);
  Flow execute_node(const CallBlock& node);
  Flow execute_node(const FilterBlock& node);
  Flow execute_node(const With& node);
  Flow execute_node(const Generation& node);
  Flow execute_node(const Break&) { return Flow::kBreak; }
  Flow execute_node(const Continue&) { return Flow::kContinue; }

  Value evaluate(const Expression& expression);
  Value evaluate_optional(const ExpressionPtr& expression);  // None where there is none
  Value evaluate_node(const Literal& node) { return node.value; }
  Value evaluate_node(const Name& node);
  Value evaluate_node(const ListDisplay& node);
  Value evaluate_node(const DictDisplay& node);
  Value evaluate_node(const Attribute& node);
  Value evaluate_node(const Subscript& node);
  Value evaluate_node(const Slice& node);
  Value evaluate_node(const Call& node);
  Value evaluate_node(const Apply& node);
  Value evaluate_node(const Unary& node);
  Value evaluate_node(const Binary& node);
  Value evaluate_node(const Logical& node);
  Value evaluate_node(const Concatenation& node);
  Value evaluate_node(const Comparison& node);
  Value evaluate_node(const Conditional& node);

  CallArguments evaluate_arguments(const ArgumentList& list);
  // `caller` is the block that calls, or null.
  Value call(const Call& node, const Macro* caller);
  Value call_macro(const Macro& macro, CallArguments call, const Macro* caller);
  Value call_loop(const Value& callee, const CallArguments& call);
  void run_loop(const For& node, const Value& iterable, int recursion);
  std::vector<Value> filtered_items(const For& node, const Value& iterable);
  void assign(const Target& target, const Value& value);
  void set_name(std::string_view name, Value value);
  // What the body writes, with names of its own.
  std::string render_separately(const Body& body);
  void write(std::string_view text);

  // A recursive loop that runs, and what its body sees beside its own names.
  struct RunningLoop {
    const Loop* loop;
    const For* node;
    Scope* outer;
  };

  Runtime runtime_;
  std::vector<RunningLoop> recursive_loops_;
  std::vector<std::pair<const Macro*, Scope*>>
      callers_;  // blocks whose calls run, and their scopes
  Scope* scope_ = nullptr;
  Scope* top_ = nullptr;  // what macros see
  std::string* out_ = nullptr;
  int line_ = 0;
};

}  // namespace eet::jinja
