#include "tokenizer/jinja/interpreter.h"

#include <algorithm>
#include <memory>

#include "tokenizer/jinja/operators.h"

namespace eet::jinja {

const Value* Interpreter::Scope::find(std::string_view name) const {
  for (const auto& [key, value] : names) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Interpreter::Scope::set(std::string_view name, Value value) {
  for (auto& [key, old] : names) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  names.emplace_back(name, std::move(value));
}

// Makes a scope the current one, for as long as it lives.
class Interpreter::ScopeGuard {
 public:
  ScopeGuard(Interpreter& interpreter, Scope* outer)
      : interpreter_(interpreter), previous_(interpreter.scope_), scope_{outer, {}} {
    interpreter_.scope_ = &scope_;
  }
  ~ScopeGuard() { interpreter_.scope_ = previous_; }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

  Scope& scope() { return scope_; }

 private:
  Interpreter& interpreter_;
  Scope* previous_;
  Scope scope_;
};

std::string Interpreter::render(const Body& body, const std::vector<Dict::Entry>& variables) {
  try {
    ScopeGuard outermost(*this, nullptr);
    for (const auto& [name, value] : variables) outermost.scope().set(name, value);
    ScopeGuard top(*this, &outermost.scope());
    top_ = &top.scope();
    std::string text;
    out_ = &text;
    execute(body);
    return text;
  } catch (const Error& error) {
    throw Error(error.what(), line_);
  }
}

Interpreter::Flow Interpreter::execute(const Body& body) {
  const Budget::Level level(runtime_.budget);
  for (const Statement& statement : body) {
    runtime_.budget.spend_steps();
    line_ = statement.line;
    const Flow flow =
        std::visit([this](const auto& node) { return execute_node(node); }, statement.node);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

void Interpreter::write(std::string_view text) {
  runtime_.budget.spend_bytes(text.size());
  *out_ += text;
}

Interpreter::Flow Interpreter::execute_node(const Data& node) {
  write(node.text);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const Print& node) {
  const Value value = evaluate(*node.value);
  if (const std::string* text = value.text()) {
    write(*text);
  } else {
    write(to_text(runtime_.budget, value));
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const If& node) {
  for (const auto& [condition, body] : node.branches) {
    if (truth(evaluate(*condition))) return execute(body);
  }
  return execute(node.otherwise);
}

// The filter is asked about all items first; Jinja asks just before each one's turn.
std::vector<Value> Interpreter::filtered_items(const For& node, const Value& iterable) {
  std::vector<Value> items = items_of(runtime_.budget, iterable);
  if (node.filter == nullptr) return items;
  std::vector<Value> kept;
  for (Value& item : items) {
    ScopeGuard guard(*this, scope_);
    assign(node.target, item);
    if (truth(evaluate(*node.filter))) kept.push_back(std::move(item));
  }
  return kept;
}

Interpreter::Flow Interpreter::execute_node(const For& node) {
  run_loop(node, evaluate(*node.iterable), /*recursion=*/0);
  return Flow::kNext;
}

void Interpreter::run_loop(const For& node, const Value& iterable, int recursion) {
  std::vector<Value> items = filtered_items(node, iterable);
  if (items.empty()) {
    ScopeGuard guard(*this, scope_);
    execute(node.otherwise);
    return;
  }
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  const auto shared = std::make_shared<Loop>(Loop{std::move(items), 0, depth + 1, recursion});
  if (node.recursive) recursive_loops_.push_back({shared.get(), &node, scope_});
  for (; shared->index0 < shared->items.size(); ++shared->index0) {
    runtime_.budget.spend_steps();
    ScopeGuard guard(*this, scope_);
    guard.scope().set("loop", Value(std::shared_ptr<const Loop>(shared)));
    assign(node.target, shared->items[shared->index0]);
    if (execute(node.body) == Flow::kBreak) break;
  }
  if (node.recursive) recursive_loops_.pop_back();
}

// loop(items): what the loop that is called writes for them.
Value Interpreter::call_loop(const Value& callee, const CallArguments& call) {
  const auto running =
      std::find_if(recursive_loops_.begin(), recursive_loops_.end(),
                   [&callee](const RunningLoop& each) { return each.loop == callee.loop(); });
  if (running == recursive_loops_.end()) refuse(callee, "called: the loop is not recursive");
  if (call.positional.size() != 1 || !call.named.empty()) {
    throw Error("expected loop(items), with one argument");
  }
  const Budget::Level level(runtime_.budget);
  const RunningLoop loop = *running;
  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  {
    ScopeGuard guard(*this, loop.outer);
    run_loop(*loop.node, call.positional[0], loop.loop->recursion + 1);
  }
  out_ = outer;
  return Value(std::move(text));
}

Interpreter::Flow Interpreter::execute_node(const Set& node) {
  assign(node.target, evaluate(*node.value));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const SetBlock& node) {
  assign(node.target, Value(render_separately(node.body)));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const Macro& node) {
  set_name(node.name, Value(Callable{Value(), &node}));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const CallBlock& node) {
  callers_.emplace_back(&node.caller, scope_);
  const Value text = call(std::get<Call>(node.call->node), &node.caller);
  callers_.pop_back();
  write(to_text(runtime_.budget, text));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const FilterBlock& node) {
  Value text(render_separately(node.body));
  ScopeGuard guard(*this, scope_);
  guard.scope().set(kFiltered, std::move(text));
  const Value value = evaluate(*node.value);
  if (value.text() == nullptr) refuse(value, "what a filter block writes: only str can");
  write(*value.text());
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_node(const With& node) {
  std::vector<Value> values;
  values.reserve(node.variables.size());
  for (const auto& [target, value] : node.variables) values.push_back(evaluate(*value));
  ScopeGuard guard(*this, scope_);
  for (size_t i = 0; i < values.size(); ++i) assign(node.variables[i].first, values[i]);
  return execute(node.body);
}

Interpreter::Flow Interpreter::execute_node(const Generation& node) {
  write(render_separately(node.body));
  return Flow::kNext;
}

void Interpreter::set_name(std::string_view name, Value value) {
  runtime_.budget.spend_steps(static_cast<int64_t>(scope_->names.size() / 8));
  scope_->set(name, std::move(value));
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (!target.attribute.empty()) {
    const Value object = evaluate_node(Name{target.names.front()});
    if (object.space() == nullptr || !object.space()->cycle.empty()) {
      refuse(object, "given attributes: only a namespace can");
    }
    runtime_.budget.spend_bytes(kObjectBytes);
    runtime_.budget.spend_steps(static_cast<int64_t>(object.space()->entries.size() / 8));
    object.space()->set(target.attribute, value);
    return;
  }
  if (!target.unpacks) {
    set_name(target.names.front(), value);
    return;
  }
  const std::vector<Value> items = items_of(runtime_.budget, value);
  if (items.size() != target.names.size()) {
    throw Error("expected " + std::to_string(target.names.size()) + " values to unpack, got " +
                std::to_string(items.size()));
  }
  for (size_t i = 0; i < items.size(); ++i) set_name(target.names[i], items[i]);
}

std::string Interpreter::render_separately(const Body& body) {
  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  ScopeGuard guard(*this, scope_);
  execute(body);
  out_ = outer;
  return text;
}

Value Interpreter::evaluate(const Expression& expression) {
  const Budget::Level level(runtime_.budget);
  runtime_.budget.spend_steps();
  line_ = expression.line;
  return std::visit([this](const auto& node) { return evaluate_node(node); }, expression.node);
}

Value Interpreter::evaluate_optional(const ExpressionPtr& expression) {
  return expression == nullptr ? Value() : evaluate(*expression);
}

Value Interpreter::evaluate_node(const Name& node) {
  size_t looked_at = 0;  // scopes and names, not yet counted
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->outer) {
    looked_at += 1 + scope->names.size();
    runtime_.budget.spend_steps(static_cast<int64_t>(looked_at / 8));
    looked_at %= 8;
    if (const Value* found = scope->find(node.name)) return *found;
  }
  if (const Builtin* function = find_function(node.name)) return Value(Callable{Value(), function});
  return Value::undefined("'" + node.name + "' is undefined");
}

Value Interpreter::evaluate_node(const ListDisplay& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExpressionPtr& item : node.items) items.push_back(evaluate(*item));
  return make_sequence(runtime_.budget, node.kind, std::move(items));
}

Value Interpreter::evaluate_node(const DictDisplay& node) {
  std::vector<Dict::Entry> entries;
  for (const auto& [key, value] : node.entries) {
    const Value name = evaluate(*key);
    if (name.text() == nullptr) refuse(name, "a key: only str is supported");
    entries.emplace_back(*name.text(), evaluate(*value));
  }
  return make_dict(runtime_.budget, std::move(entries));
}

Value Interpreter::evaluate_node(const Attribute& node) {
  const Value object = evaluate(*node.object);
  if (object.space() != nullptr) {
    runtime_.budget.spend_steps(static_cast<int64_t>(object.space()->entries.size() / 8));
  }
  return get_attribute(object, node.name);
}

Value Interpreter::evaluate_node(const Subscript& node) {
  const Value object = evaluate(*node.object);
  return get_item(runtime_, object, evaluate(*node.key));
}

Value Interpreter::evaluate_node(const Slice& node) {
  const Value object = evaluate(*node.object);
  const Value start = evaluate_optional(node.start);
  const Value stop = evaluate_optional(node.stop);
  return get_slice(runtime_, object, start, stop, evaluate_optional(node.step));
}

CallArguments Interpreter::evaluate_arguments(const ArgumentList& list) {
  CallArguments call;
  call.positional.reserve(list.positional.size());
  for (const ExpressionPtr& value : list.positional) call.positional.push_back(evaluate(*value));
  for (const auto& [name, value] : list.named) call.named.emplace_back(name, evaluate(*value));
  return call;
}

Value Interpreter::evaluate_node(const Call& node) {
  return call(node, /*caller=*/nullptr);
}

Value Interpreter::call(const Call& node, const Macro* caller) {
  const Value callee = evaluate(*node.callee);
  const Callable* function = callee.callable();
  if (function == nullptr && (callee.loop() == nullptr || caller != nullptr)) {
    refuse(callee, "called");
  }
  CallArguments arguments = evaluate_arguments(node.arguments);
  if (function == nullptr) return call_loop(callee, arguments);
  if (const auto* macro = std::get_if<const Macro*>(&function->target)) {
    return call_macro(**macro, std::move(arguments), caller);
  }
  if (caller != nullptr) throw Error("only a macro can be called with a block");
  return call_builtin(runtime_, *std::get<const Builtin*>(function->target), function->self,
                      std::move(arguments));
}

// A macro sees the names at the top of the template, and a block that calls those around it.
Value Interpreter::call_macro(const Macro& macro, CallArguments call, const Macro* caller) {
  const Budget::Level level(runtime_.budget);
  if (call.positional.size() > macro.parameters.size()) {
    throw Error("macro '" + macro.name + "' takes fewer arguments");
  }
  if (caller != nullptr && !macro.takes_caller) {
    throw Error("macro '" + macro.name + "' does not use caller");
  }
  const auto block = std::find_if(callers_.rbegin(), callers_.rend(),
                                  [&macro](const auto& each) { return each.first == &macro; });
  ScopeGuard guard(*this, block != callers_.rend() ? block->second : top_);
  if (macro.takes_caller) {
    guard.scope().set("caller", caller != nullptr
                                    ? Value(Callable{Value(), caller})
                                    : Value::undefined("the macro was not called by a block"));
  }
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const auto& [name, fallback] = macro.parameters[i];
    // Named arguments and the names set so far are looked through.
    runtime_.budget.spend_steps(static_cast<int64_t>((call.named.size() + i) / 8));
    const auto named =
        std::find_if(call.named.begin(), call.named.end(),
                     [&parameter = name](const auto& one) { return one.first == parameter; });
    if (i < call.positional.size()) {
      guard.scope().set(name, call.positional[i]);
    } else if (named != call.named.end()) {
      guard.scope().set(name, std::move(named->second));
      call.named.erase(named);
    } else if (fallback != nullptr) {
      guard.scope().set(name, evaluate(*fallback));
    } else {
      guard.scope().set(name, Value::undefined("parameter '" + name + "' was not provided"));
    }
  }
  if (!call.named.empty()) {
    throw Error("macro '" + macro.name + "' has no parameter '" + call.named.front().first + "'");
  }
  return Value(render_separately(macro.body));
}

Value Interpreter::evaluate_node(const Apply& node) {
  Value input = evaluate(*node.input);
  CallArguments call = evaluate_arguments(node.arguments);
  return call_builtin(runtime_, *node.builtin, std::move(input), std::move(call));
}

Value Interpreter::evaluate_node(const Unary& node) {
  return apply(node.op, evaluate(*node.operand));
}

Value Interpreter::evaluate_node(const Binary& node) {
  const Value left = evaluate(*node.left);
  return apply(runtime_, node.op, left, evaluate(*node.right));
}

Value Interpreter::evaluate_node(const Logical& node) {
  Value left = evaluate(*node.left);
  return truth(left) == node.is_and ? evaluate(*node.right) : left;
}

Value Interpreter::evaluate_node(const Concatenation& node) {
  TextBuilder out(runtime_.budget);
  for (const ExpressionPtr& part : node.parts) {
    out.append(to_text(runtime_.budget, evaluate(*part)));
  }
  return Value(out.take());
}

Value Interpreter::evaluate_node(const Comparison& node) {
  Value left = evaluate(*node.first);
  for (const auto& [op, operand] : node.rest) {
    Value right = evaluate(*operand);
    if (!compare(runtime_, op, left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::evaluate_node(const Conditional& node) {
  if (truth(evaluate(*node.condition))) return evaluate(*node.then);
  if (node.otherwise != nullptr) return evaluate(*node.otherwise);
  return Value::undefined("an inline 'if' was false and has no 'else'");
}

}  // namespace eet::jinja
