// The values of a template, with Python's meaning of truth, equality and order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "tokenizer/jinja/budget.h"

namespace eet::jinja {

class Value;
class Dict;
class Sequence;
struct Builtin;
struct Callable;
struct Loop;
struct Macro;
struct Namespace;

// What a name or attribute that is not there reads as; `reason` says so when something is done
// with it that cannot be.
struct Undefined {
  std::shared_ptr<const std::string> reason;
};

struct None {};

// Immutable, except for what a namespace holds and for how far an iterator has been read. Copying
// is cheap: containers are shared.
class Value {
 public:
  using Storage =
      std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
                   std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>,
                   std::shared_ptr<const Callable>, std::shared_ptr<const Loop>, Namespace*>;

  Value() : storage_(None{}) {}
  explicit Value(bool value) : storage_(value) {}
  explicit Value(int64_t value) : storage_(value) {}
  explicit Value(double value) : storage_(value) {}
  explicit Value(std::string text)
      : storage_(std::make_shared<const std::string>(std::move(text))) {}
  explicit Value(Namespace* space) : storage_(space) {}
  explicit Value(Sequence sequence);
  explicit Value(Dict dict);
  explicit Value(Callable callable);
  explicit Value(std::shared_ptr<const Loop> loop) : storage_(std::move(loop)) {}

  static Value undefined(std::string reason);

  const Storage& storage() const { return storage_; }

  bool is_undefined() const { return std::holds_alternative<Undefined>(storage_); }
  bool is_none() const { return std::holds_alternative<None>(storage_); }
  const bool* boolean() const { return std::get_if<bool>(&storage_); }
  const int64_t* integer() const { return std::get_if<int64_t>(&storage_); }
  const double* real() const { return std::get_if<double>(&storage_); }
  const std::string* text() const { return pointee<std::string>(); }
  const Sequence* sequence() const { return pointee<Sequence>(); }
  const Dict* dict() const { return pointee<Dict>(); }
  const Callable* callable() const { return pointee<Callable>(); }
  const Loop* loop() const { return pointee<Loop>(); }
  Namespace* space() const {
    auto* const* found = std::get_if<Namespace*>(&storage_);
    return found != nullptr ? *found : nullptr;
  }

  int depth() const;  // of containers inside each other; 0 for what holds nothing

 private:
  template <typename T>
  const T* pointee() const {
    const auto* found = std::get_if<std::shared_ptr<const T>>(&storage_);
    return found != nullptr ? found->get() : nullptr;
  }

  Storage storage_;
};

// Lists, and what else gives items one after the other.
class Sequence {
 public:
  enum class Kind {
    kList,
    kTuple,
    kRange,
    kView,      // of a dict: has a length, but no item can be picked
    kIterator,  // what most filters give: read once, without a length, always true
  };

  // `is_group`: a tuple of groupby, whose items are also `grouper` and `list`.
  Sequence(Kind kind, std::vector<Value> items, bool is_group = false);

  Kind kind() const { return kind_; }
  bool is_group() const { return is_group_; }
  const std::vector<Value>& items() const { return items_; }
  int depth() const { return depth_; }
  bool has_length() const { return kind_ != Kind::kIterator; }
  bool has_indices() const { return has_length() && kind_ != Kind::kView; }

  // Items not read yet, up to `limit` of them; those of an iterator are read by that.
  std::vector<Value> read(size_t limit) const;

 private:
  Kind kind_;
  bool is_group_;
  std::vector<Value> items_;
  int depth_ = 1;
  // One rendering is one thread's, and no iterator outlives it.
  mutable size_t position_ = 0;
};

// In the order of insertion. Keys are strings, as in JSON.
class Dict {
 public:
  using Entry = std::pair<std::string, Value>;

  // Of entries with the same key, the last one's value stays, in the first one's place.
  explicit Dict(std::vector<Entry> entries);

  const std::vector<Entry>& entries() const { return entries_; }
  const Value* find(std::string_view key) const;
  int depth() const { return depth_; }

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> index_;
  int depth_ = 1;
};

// A method of a value, a function that is always there, or a macro.
struct Callable {
  Value self;  // of a method
  std::variant<const Builtin*, const Macro*> target;
};

// The variable `loop`.
struct Loop {
  std::vector<Value> items;
  size_t index0 = 0;
  int depth = 1;                         // as of a list of the items
  int recursion = 0;                     // how often it is inside of itself
  mutable Namespace* changes = nullptr;  // what loop.changed() was asked last, once it was
};

// What can change. Owned by the interpreter, because it may hold itself. Beside what a template
// calls a namespace: the state of a cycler, a joiner or of loop.changed().
struct Namespace {
  std::vector<Dict::Entry> entries;
  std::vector<Value> cycle;  // of a cycler, whose entry "current" is one of them
  size_t position = 0;       // in that

  const Value* find(std::string_view name) const;
  void set(std::string_view name, Value value);
};

// Python's name of the type, for messages.
std::string type_name(const Value& value);

bool truth(const Value& value);
bool equals(Budget& budget, const Value& left, const Value& right);
// Error where Python has no order between the two.
bool less(Budget& budget, const Value& left, const Value& right);
// Whether `value` is an int to Python, which a bool is as well.
bool as_integer(const Value& value, int64_t& number);
bool as_real(const Value& value, double& number);

// str() and repr().
std::string to_text(Budget& budget, const Value& value);
void append_repr(TextBuilder& out, const Value& value);

// Items of whatever can be iterated over; Error otherwise.
std::vector<Value> items_of(Budget& budget, const Value& value);
// len(); Error where there is none.
int64_t length(const Value& value);

// A value made within the budget.
Value make_text(Budget& budget, std::string_view text);
Value make_sequence(Budget& budget, Sequence::Kind kind, std::vector<Value> items);
Value make_dict(Budget& budget, std::vector<Dict::Entry> entries);
// The (key, value) tuples of a dict.
Value make_items(Budget& budget, const Dict& dict, Sequence::Kind kind);
// str.replace(); all occurrences where `count` is negative.
std::string replace_text(Budget& budget, std::string_view text, std::string_view old_part,
                         std::string_view new_part, int64_t count);

// Error that says what `value` cannot be used for; for an undefined value, why it is undefined.
[[noreturn]] void refuse(const Value& value, std::string_view use);

}  // namespace eet::jinja
