#include "tokenizer/pipeline/normalizers.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "tokenizer/pipeline/byte_alphabet.h"
#include "tokenizer/pipeline/component_fields.h"
#include "tokenizer/pipeline/precompiled_normalizer.h"
#include "tokenizer/unicode/characters.h"
#include "tokenizer/unicode/normal_forms.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

// Changes every character on its own: `append(text, c)` adds what becomes of `c`.
class CharacterMap final : public Normalizer {
 public:
  using Append = void (*)(std::string& text, char32_t c);
  explicit CharacterMap(Append append) : append_(append) {}

  void apply(NormalizedText& text) const override {
    NormalizedText mapped;
    mapped.text.reserve(text.text.size());
    for (size_t at = 0; at < text.text.size();) {
      const bool from_origin = at < text.origin_bytes;
      append_(mapped.text, next_code_point(text.text, at));
      if (from_origin) mapped.origin_bytes = mapped.text.size();
    }
    text = std::move(mapped);
  }

 private:
  Append append_;
};

void append_unless_mark(std::string& text, char32_t c) {
  if (!is_combining_mark(c)) append_code_point(text, c);
}

// SentencePiece's rules for machine translation: control characters vanish, what separates words
// becomes a space.
void append_nmt(std::string& text, char32_t c) {
  const bool vanishes = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) ||
                        c == 0x7F || c == 0x8F || c == 0x9F;
  if (vanishes) return;
  const bool separates = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
                         c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  append_code_point(text, separates ? U' ' : c);
}

void append_bytes(std::string& text, char32_t c) {
  std::string character;
  append_code_point(character, c);
  append_in_byte_alphabet(text, character);
}

size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) next_code_point(text, at);
  return count;
}

class NormalFormStep final : public Normalizer {
 public:
  explicit NormalFormStep(NormalForm form) : form_(form) {}

  void apply(NormalizedText& text) const override {
    // As many characters as the origin alone would be.
    const std::string_view origin = std::string_view(text.text).substr(0, text.origin_bytes);
    size_t origin_characters = count_characters(to_normal_form(origin, form_));
    text.text = to_normal_form(text.text, form_);
    text.origin_bytes = 0;
    while (origin_characters-- > 0 && text.origin_bytes < text.text.size()) {
      next_code_point(text.text, text.origin_bytes);
    }
  }

 private:
  NormalForm form_;
};

class StripStep final : public Normalizer {
 public:
  StripStep(bool left, bool right) : left_(left), right_(right) {}

  void apply(NormalizedText& text) const override {
    if (right_) text.text.resize(length_without_trailing_space(text.text));
    const size_t leading = left_ ? leading_space_length(text.text) : 0;
    text.text.erase(0, leading);
    text.origin_bytes =
        std::min(text.text.size(), text.origin_bytes - std::min(text.origin_bytes, leading));
  }

 private:
  bool left_;
  bool right_;
};

class PrependStep final : public Normalizer {
 public:
  explicit PrependStep(std::string prefix) : prefix_(std::move(prefix)) {}

  void apply(NormalizedText& text) const override {
    if (text.text.empty()) return;
    text.text.insert(0, prefix_);
    if (text.origin_bytes > 0) text.origin_bytes += prefix_.size();
  }

 private:
  std::string prefix_;
};

class ReplaceStep final : public Normalizer {
 public:
  ReplaceStep(std::unique_ptr<Pattern> pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void apply(NormalizedText& text) const override {
    if (text.text.empty()) return;  // the reference looks for nothing in it
    NormalizedText replaced;
    replaced.text.reserve(text.text.size());
    const auto keep = [&](size_t begin, size_t end) {
      replaced.text.append(text.text, begin, end - begin);
      const size_t kept_origin = std::min(end, text.origin_bytes);
      if (kept_origin > begin) replaced.origin_bytes += kept_origin - begin;
    };
    size_t count = 0;
    size_t done = 0;
    pattern_->find_all(text.text, [&](const TextRange& match) {
      check_replacements(++count, content_.size());
      keep(done, match.begin);
      replaced.text += content_;
      // What is put in counts as the last byte that it is put in for.
      if (match.end == 0 || match.end <= text.origin_bytes)
        replaced.origin_bytes += content_.size();
      done = match.end;
    });
    if (count == 0) return;
    keep(done, text.text.size());
    text = std::move(replaced);
  }

 private:
  std::unique_ptr<Pattern> pattern_;
  std::string content_;
};

std::unique_ptr<Normalizer> read_normalizer(const JsonView& component) {
  const std::string& type = component["type"].string();
  if (type == "NFC") return std::make_unique<NormalFormStep>(NormalForm::kC);
  if (type == "NFD") return std::make_unique<NormalFormStep>(NormalForm::kD);
  if (type == "NFKC") return std::make_unique<NormalFormStep>(NormalForm::kKC);
  if (type == "NFKD") return std::make_unique<NormalFormStep>(NormalForm::kKD);
  if (type == "Lowercase") return std::make_unique<CharacterMap>(append_lowercase);
  if (type == "StripAccents") return std::make_unique<CharacterMap>(append_unless_mark);
  if (type == "Nmt") return std::make_unique<CharacterMap>(append_nmt);
  if (type == "ByteLevel") return std::make_unique<CharacterMap>(append_bytes);
  if (type == "Strip") {
    return std::make_unique<StripStep>(component["strip_left"].boolean(),
                                       component["strip_right"].boolean());
  }
  if (type == "Prepend") return std::make_unique<PrependStep>(component["prepend"].string());
  if (type == "Replace") {
    return std::make_unique<ReplaceStep>(read_pattern(component["pattern"]),
                                         component["content"].string());
  }
  if (type == "Precompiled") return read_precompiled_normalizer(component);
  component["type"].fail(
      "NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace, Nmt, ByteLevel, "
      "Precompiled or Sequence",
      "this normalizer is not supported");
}

}  // namespace

Normalizers read_normalizers(const JsonView& normalizer) {
  Normalizers steps;
  for_each_component(normalizer, "normalizers", [&](const JsonView& component) {
    steps.push_back(read_normalizer(component));
  });
  return steps;
}

}  // namespace eet
