#include "tokenizer/pipeline/pre_tokenizers.h"

#include <string>
#include <utility>

#include "tokenizer/pipeline/byte_alphabet.h"
#include "tokenizer/pipeline/component_fields.h"
#include "tokenizer/pipeline/split_behavior.h"
#include "tokenizer/regex/known_patterns.h"
#include "tokenizer/regex/pattern.h"
#include "tokenizer/unicode/characters.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

using Steps = std::vector<std::unique_ptr<PreTokenizer>>;

// Split, and the many that are a split at a fixed pattern.
class SplitStep final : public PreTokenizer {
 public:
  SplitStep(std::unique_ptr<Pattern> pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void apply(const Word& word, WordSink sink) const override {
    split_word(word, *pattern_, behavior_, invert_, sink);
  }

 private:
  std::unique_ptr<Pattern> pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

// Of ByteLevel, the space before every word that does not begin with one.
class PrefixSpaceStep final : public PreTokenizer {
 public:
  void apply(const Word& word, WordSink sink) const override {
    if (word.text.starts_with(' ')) {
      sink(word);
      return;
    }
    const std::string text = " " + std::string(word.text);
    sink({text, word.origin_bytes > 0 ? word.origin_bytes + 1 : 0});
  }
};

// Of ByteLevel, a character for each byte.
class ByteAlphabetStep final : public PreTokenizer {
 public:
  void apply(const Word& word, WordSink sink) const override {
    std::string text;
    append_in_byte_alphabet(text, word.text.substr(0, word.origin_bytes));
    const size_t origin_bytes = text.size();
    append_in_byte_alphabet(text, word.text.substr(word.origin_bytes));
    sink({text, origin_bytes});
  }
};

// A visible character for the space, and one before the text.
class MetaspaceStep final : public PreTokenizer {
 public:
  enum class Prepend { kFirst, kNever, kAlways };

  MetaspaceStep(std::string replacement, Prepend prepend, bool split)
      : replacement_(std::move(replacement)), prepend_(prepend) {
    if (split) boundary_ = Pattern::literal(replacement_, "");
  }

  void apply(const Word& word, WordSink sink) const override {
    std::string text;
    const size_t origin_bytes = replace(word, text);
    const Word replaced{text, origin_bytes};
    if (boundary_) {
      split_word(replaced, *boundary_, SplitBehavior::kMergedWithNext, false, sink);
    } else {
      sink(replaced);
    }
  }

 private:
  // Writes `text`, and returns how many of its bytes come from the first character.
  size_t replace(const Word& word, std::string& text) const {
    size_t origin = word.origin_bytes;
    const bool has_replacement = word.text.starts_with(replacement_) || word.text.starts_with(' ');
    const bool wanted =
        prepend_ == Prepend::kAlways || (prepend_ == Prepend::kFirst && word.origin_bytes > 0);
    if (wanted && !has_replacement) {
      text = replacement_;
      if (origin > 0) origin += replacement_.size();
    }
    for (size_t i = 0; i < word.text.size(); ++i) {
      if (word.text[i] != ' ') {
        text += word.text[i];
        continue;
      }
      text += replacement_;
      if (i < word.origin_bytes) origin += replacement_.size() - 1;
    }
    return origin;
  }

  std::string replacement_;
  Prepend prepend_;
  std::unique_ptr<Pattern> boundary_;  // null where words are not split
};

// Cuts where the script changes. What stands before the first character with a script is lost, as
// in the reference.
class UnicodeScriptsStep final : public PreTokenizer {
 public:
  void apply(const Word& word, WordSink sink) const override {
    int32_t last = 0;
    size_t begin = word.text.size();  // of the part under way; none yet
    for (size_t at = 0; at < word.text.size();) {
      const size_t here = at;
      const int32_t script = script_of(next_code_point(word.text, at));
      if (script == 0 || script == last) continue;
      if (begin < here) sink(word.part(begin, here));
      begin = here;
      last = script;
    }
    sink(word.part(begin, word.text.size()));
  }
};

class FixedLengthStep final : public PreTokenizer {
 public:
  explicit FixedLengthStep(size_t length) : length_(length) {}

  void apply(const Word& word, WordSink sink) const override {
    size_t begin = 0;
    size_t count = 0;
    for (size_t at = 0; at < word.text.size();) {
      next_code_point(word.text, at);
      if (++count % length_ != 0) continue;
      sink(word.part(begin, at));
      begin = at;
    }
    sink(word.part(begin, word.text.size()));
  }

 private:
  size_t length_;
};

std::unique_ptr<PreTokenizer> split_at(bool (*is_delimiter)(char32_t), SplitBehavior behavior) {
  return std::make_unique<SplitStep>(Pattern::character(is_delimiter), behavior, false);
}

// \w+|[^\w\s]+ of Rust's regular expressions.
class WordOrSymbols final : public Pattern {
 public:
  void find_all(std::string_view text, MatchVisitor visit) const override {
    int kind = kSpace;
    size_t begin = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t here = at;
      const int next = kind_of(next_code_point(text, at));
      if (next == kind) continue;
      if (kind != kSpace) visit(TextRange{begin, here});
      kind = next;
      begin = here;
    }
    if (kind != kSpace) visit(TextRange{begin, text.size()});
  }

 private:
  enum { kSpace, kWord, kSymbol };
  static int kind_of(char32_t c) {
    if (is_word_character(c)) return kWord;
    return is_white_space(c) ? kSpace : kSymbol;
  }
};

std::unique_ptr<PreTokenizer> read_metaspace(const JsonView& component) {
  using Prepend = MetaspaceStep::Prepend;
  const JsonView scheme = component["prepend_scheme"];
  const std::string name = scheme.string_or("always");
  Prepend prepend = Prepend::kAlways;
  if (name == "first") {
    prepend = Prepend::kFirst;
  } else if (name == "never") {
    prepend = Prepend::kNever;
  } else if (name != "always") {
    scheme.fail("always, first or never");
  }
  if (!component["add_prefix_space"].boolean_or(true) && prepend != Prepend::kNever) {
    scheme.fail("never, as add_prefix_space is false");  // a field of older files
  }
  return std::make_unique<MetaspaceStep>(read_character(component["replacement"]), prepend,
                                         component["split"].boolean_or(true));
}

std::unique_ptr<PreTokenizer> read_fixed_length(const JsonView& component) {
  const JsonView length = component["length"];
  constexpr int32_t kDefault = 5;
  const int32_t value = length.is_null() ? kDefault : length.token_id();
  if (value == 0) length.fail("a length from 1 up");
  return std::make_unique<FixedLengthStep>(static_cast<size_t>(value));
}

void append_byte_level(const JsonView& component, Steps& steps) {
  if (component["add_prefix_space"].boolean_or(true)) {
    steps.push_back(std::make_unique<PrefixSpaceStep>());
  }
  if (component["use_regex"].boolean_or(true)) {
    steps.push_back(
        std::make_unique<SplitStep>(Pattern::regex(std::string(kGpt2Pattern), component.where()),
                                    SplitBehavior::kIsolated, false));
  }
  steps.push_back(std::make_unique<ByteAlphabetStep>());
}

void append_steps(const JsonView& component, Steps& steps) {
  const std::string& type = component["type"].string();
  if (type == "ByteLevel") {
    append_byte_level(component, steps);
  } else if (type == "Split") {
    steps.push_back(std::make_unique<SplitStep>(read_pattern(component["pattern"]),
                                                read_split_behavior(component["behavior"]),
                                                component["invert"].boolean_or(false)));
  } else if (type == "Metaspace") {
    steps.push_back(read_metaspace(component));
  } else if (type == "Digits") {
    const bool individual = component["individual_digits"].boolean_or(false);
    steps.push_back(
        split_at(is_numeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  } else if (type == "Punctuation") {
    const JsonView behavior = component["behavior"];
    steps.push_back(split_at(is_punctuation, behavior.is_null() ? SplitBehavior::kIsolated
                                                                : read_split_behavior(behavior)));
  } else if (type == "Whitespace") {
    steps.push_back(std::make_unique<SplitStep>(std::make_unique<WordOrSymbols>(),
                                                SplitBehavior::kRemoved, /*invert=*/true));
  } else if (type == "WhitespaceSplit") {
    steps.push_back(split_at(is_white_space, SplitBehavior::kRemoved));
  } else if (type == "BertPreTokenizer") {
    steps.push_back(split_at(is_white_space, SplitBehavior::kRemoved));
    steps.push_back(split_at(is_punctuation, SplitBehavior::kIsolated));
  } else if (type == "CharDelimiterSplit") {
    const JsonView delimiter = component["delimiter"];
    steps.push_back(
        std::make_unique<SplitStep>(Pattern::literal(read_character(delimiter), delimiter.where()),
                                    SplitBehavior::kRemoved, false));
  } else if (type == "UnicodeScripts") {
    steps.push_back(std::make_unique<UnicodeScriptsStep>());
  } else if (type == "FixedLength") {
    steps.push_back(read_fixed_length(component));
  } else {
    component["type"].fail(
        "ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit, "
        "BertPreTokenizer, CharDelimiterSplit, UnicodeScripts, FixedLength or Sequence",
        "this pre-tokenizer is not supported");
  }
}

// Steps call each other. Sequences inside each other may have many more than one allows.
constexpr size_t kMaxSteps = 1000;

}  // namespace

void PreTokenizers::apply_from(size_t step, const Word& word, WordSink sink) const {
  if (word.text.empty()) return;
  if (step == steps.size()) {
    sink(word);
    return;
  }
  steps[step]->apply(word, [&](const Word& part) { apply_from(step + 1, part, sink); });
}

PreTokenizers read_pre_tokenizers(const JsonView& pre_tokenizer) {
  PreTokenizers result;
  for_each_component(pre_tokenizer, "pretokenizers",
                     [&](const JsonView& component) { append_steps(component, result.steps); });
  if (result.steps.size() > kMaxSteps) {
    pre_tokenizer.fail("at most " + std::to_string(kMaxSteps) + " steps");
  }
  // Leaves the last step's alphabet to the model, which has a cache.
  if (!result.steps.empty() &&
      dynamic_cast<ByteAlphabetStep*>(result.steps.back().get()) != nullptr) {
    result.steps.pop_back();
    result.writes_byte_alphabet = true;
  }
  return result;
}

}  // namespace eet
