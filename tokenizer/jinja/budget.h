// What one rendering may cost. Templates come with models from anywhere, so a template that loops
// or grows without end must fail, not take the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tokenizer/jinja/error.h"

namespace eet::jinja {

struct Limits {
  int64_t steps = 5'000'000;         // expressions evaluated, items compared, loops run
  int64_t bytes = int64_t{1} << 28;  // of all values made, dropped ones included, and of the output
  int depth = 400;                   // expressions, statements and macros inside each other
};

// Nesting of lists and dicts. All that walks them recurses, their destructors too.
inline constexpr int kMaxValueDepth = 100;

// Where objects other than text are made, each counts as this much.
inline constexpr int64_t kObjectBytes = 64;

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  void spend_steps(int64_t count = 1) {
    if ((steps_ += count) > limits_.steps) throw Error("the template takes too many steps");
  }

  // For walking over text.
  void spend_reading(size_t bytes) { spend_steps(static_cast<int64_t>(bytes / 64)); }

  // To be called before the memory is taken.
  void spend_bytes(size_t count) {
    if (count > static_cast<size_t>(limits_.bytes - bytes_)) {
      throw Error("the template makes too much text");
    }
    bytes_ += static_cast<int64_t>(count);
  }

  // One level of recursion, for as long as it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      if (++budget_.depth_ > budget_.limits_.depth) {
        --budget_.depth_;
        throw Error("the template is nested too deeply, or a macro calls itself without end");
      }
    }
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  Limits limits_;
  int64_t steps_ = 0;
  int64_t bytes_ = 0;
  int depth_ = 0;
};

// Text that grows within a budget.
class TextBuilder {
 public:
  explicit TextBuilder(Budget& budget) : budget_(&budget) {}

  void append(std::string_view text) {
    budget_->spend_bytes(text.size());
    text_ += text;
  }

  std::string take() { return std::move(text_); }

 private:
  Budget* budget_;
  std::string text_;
};

}  // namespace eet::jinja
