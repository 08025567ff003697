#include "tokenizer/pipeline/decoders.h"

#include <charconv>
#include <optional>
#include <utility>

#include "tokenizer/pipeline/byte_alphabet.h"
#include "tokenizer/pipeline/component_fields.h"

namespace eet {
namespace {

// Of the steps that change each string on its own.
class StringDecoder : public Decoder {
 public:
  void put(std::string_view part, bool ends_string, DecodeStage& stage, Sink& sink) const final {
    if (!ends_string) {
      stage.held += part;
      return;
    }
    if (stage.held.empty()) {
      put_string(part, stage, sink);
    } else {
      put_string(std::exchange(stage.held, {}).append(part), stage, sink);
    }
  }
  void finish(DecodeStage&, Sink&) const override {}

 protected:
  virtual void put_string(std::string_view text, DecodeStage& stage, Sink& sink) const = 0;
};

// One string of all.
class Fuse final : public Decoder {
 public:
  void put(std::string_view part, bool, DecodeStage&, Sink& sink) const override {
    sink.put(part, false);
  }
  void finish(DecodeStage&, Sink& sink) const override { sink.put("", true); }
};

// The bytes that the strings stand for, as one string.
class ByteLevel final : public StringDecoder {
 public:
  void finish(DecodeStage& stage, Sink& sink) const override {
    std::string rest;
    stage.utf8.flush(rest);
    sink.put(rest, true);
  }

 protected:
  void put_string(std::string_view text, DecodeStage& stage, Sink& sink) const override {
    std::string characters;
    stage.utf8.push(bytes_of_token(text), characters);
    sink.put(characters, false);
  }
};

// Strings "<0xHH>" in a row are the bytes of characters; of each byte U+FFFD if the row is not
// UTF-8, so that nothing of it is final before it has ended.
class ByteFallback final : public StringDecoder {
 public:
  void finish(DecodeStage& stage, Sink& sink) const override { put_bytes(stage, sink); }

 protected:
  void put_string(std::string_view text, DecodeStage& stage, Sink& sink) const override {
    if (const auto byte = byte_of(text)) {
      stage.row.push_back(*byte);
    } else {
      put_bytes(stage, sink);
      sink.put(text, true);
    }
  }

 private:
  static std::optional<char> byte_of(std::string_view text) {
    if (text.size() != 6 || !text.starts_with("<0x") || !text.ends_with('>')) return std::nullopt;
    std::string_view digits = text.substr(3, 2);
    if (digits[0] == '+') digits.remove_prefix(1);  // Rust's numbers may have a sign
    unsigned value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return static_cast<char>(value);
  }

  static void put_bytes(DecodeStage& stage, Sink& sink) {
    std::string& row = stage.row;
    if (row.empty()) return;
    if (is_utf8(row)) {
      sink.put(row, true);
    } else {
      for (size_t i = 0; i < row.size(); ++i) sink.put(kReplacementCharacter, true);
    }
    row.clear();
  }
};

// Literal text, which may come in parts.
class ReplaceLiteral final : public Decoder {
 public:
  ReplaceLiteral(std::string literal, std::string content)
      : literal_(std::move(literal)), content_(std::move(content)) {}

  void put(std::string_view part, bool ends_string, DecodeStage& stage, Sink& sink) const override {
    std::string text = std::exchange(stage.held, {});
    text += part;
    std::string replaced;
    size_t done = 0;
    size_t matches = 0;
    for (size_t found; (found = text.find(literal_, done)) != std::string::npos;) {
      check_replacements(++matches, content_.size());
      replaced.append(text, done, found - done);
      replaced += content_;
      done = found + literal_.size();
    }
    const size_t kept = ends_string ? 0 : possible_start(std::string_view(text).substr(done));
    replaced.append(text, done, text.size() - done - kept);
    stage.held = text.substr(text.size() - kept);
    sink.put(replaced, ends_string);
  }
  void finish(DecodeStage&, Sink&) const override {}

 private:
  // How many bytes at the end of `text` may be the beginning of the literal.
  size_t possible_start(std::string_view text) const {
    size_t length = std::min(text.size(), literal_.size() - 1);
    while (length > 0 && !text.ends_with(std::string_view(literal_).substr(0, length))) --length;
    return length;
  }

  std::string literal_;  // not empty
  std::string content_;
};

class ReplacePattern final : public StringDecoder {
 public:
  ReplacePattern(std::unique_ptr<Pattern> pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

 protected:
  void put_string(std::string_view text, DecodeStage&, Sink& sink) const override {
    std::string replaced;
    size_t count = 0;
    size_t done = 0;
    const auto replace = [&](const TextRange& match) {
      check_replacements(++count, content_.size());
      replaced.append(text.substr(done, match.begin - done)).append(content_);
      done = match.end;
    };
    if (!text.empty()) pattern_->find_all(text, replace);
    sink.put(replaced.append(text.substr(done)), true);
  }

 private:
  std::unique_ptr<Pattern> pattern_;
  std::string content_;
};

// Drops one character, `start` times at most, from the beginning of every string, and `stop` times
// from its end.
class Strip final : public Decoder {
 public:
  Strip(std::string character, size_t start, size_t stop)
      : character_(std::move(character)), start_(start), stop_(stop) {}

  void put(std::string_view part, bool ends_string, DecodeStage& stage, Sink& sink) const override {
    while (stage.position < start_ && part.starts_with(character_)) {
      part.remove_prefix(character_.size());
      ++stage.position;
    }
    if (!part.empty()) stage.position = start_;
    if (stop_ == 0) {
      sink.put(part, ends_string);
    } else {
      put_all_but_end(part, ends_string, stage, sink);
    }
    if (ends_string) stage.position = 0;
  }
  void finish(DecodeStage&, Sink&) const override {}

 private:
  // Holds back what may be dropped, should the string end there.
  void put_all_but_end(std::string_view part, bool ends_string, DecodeStage& stage,
                       Sink& sink) const {
    std::string text = std::exchange(stage.held, {});
    text += part;
    std::string_view kept = text;
    for (size_t i = 0; i < stop_ && kept.ends_with(character_); ++i) {
      kept.remove_suffix(character_.size());
    }
    if (!ends_string) stage.held = text.substr(kept.size());
    sink.put(kept, ends_string);
  }

  std::string character_;
  size_t start_;
  size_t stop_;
};

// The visible character is a space again; in the first string nothing, if it was put before text.
class Metaspace final : public Decoder {
 public:
  Metaspace(std::string replacement, bool was_prepended)
      : spaces_(replacement, " "),
        nothing_(std::move(replacement), ""),
        was_prepended_(was_prepended) {}

  void put(std::string_view part, bool ends_string, DecodeStage& stage, Sink& sink) const override {
    const ReplaceLiteral& replace = was_prepended_ && stage.strings == 0 ? nothing_ : spaces_;
    replace.put(part, ends_string, stage, sink);
    if (ends_string) ++stage.strings;
  }
  void finish(DecodeStage&, Sink&) const override {}

 private:
  ReplaceLiteral spaces_;
  ReplaceLiteral nothing_;
  bool was_prepended_;
};

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string replaced;
  size_t done = 0;
  for (size_t found; (found = text.find(from, done)) != std::string_view::npos;) {
    replaced.append(text.substr(done, found - done)).append(to);
    done = found + from.size();
  }
  return replaced.append(text.substr(done));
}

// Undoes what tokenizers of the time of BERT did to English.
std::string clean_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kReplacements) text = replace_all(text, from, to);
  return text;
}

// A space before every string that does not continue a word.
class WordPiece final : public StringDecoder {
 public:
  WordPiece(std::string prefix, bool cleans_up)
      : prefix_(std::move(prefix)), cleans_up_(cleans_up) {}

 protected:
  void put_string(std::string_view text, DecodeStage& stage, Sink& sink) const override {
    std::string result(text);
    if (stage.strings++ > 0) {
      if (text.starts_with(prefix_)) {
        result = text.substr(prefix_.size());
      } else {
        result.insert(0, " ");
      }
    }
    if (cleans_up_) result = clean_up(std::move(result));
    sink.put(result, true);
  }

 private:
  std::string prefix_;
  bool cleans_up_;
};

// The suffix of a word's last token is a space, but for the last string of all, which is held back.
class BpeDecoder final : public StringDecoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}

  void finish(DecodeStage& stage, Sink& sink) const override {
    if (stage.strings > 0) sink.put(replace_all(stage.row, suffix_, ""), true);
  }

 protected:
  void put_string(std::string_view text, DecodeStage& stage, Sink& sink) const override {
    if (stage.strings++ > 0) sink.put(replace_all(stage.row, suffix_, " "), true);
    stage.row = text;
  }

 private:
  std::string suffix_;
};

class Sequence final : public Decoder::Sink {
 public:
  Sequence(const std::vector<std::unique_ptr<Decoder>>& steps, DecodeState& state,
           std::string& text)
      : steps_(steps), state_(state), text_(text) {}

  // Goes into the current step; what that gives goes into the one behind it.
  void put(std::string_view part, bool ends_string) override {
    if (step_ == steps_.size()) {
      text_ += part;
      return;
    }
    const size_t here = step_++;
    steps_[here]->put(part, ends_string, state_.stages[here], *this);
    step_ = here;
  }

  void finish() {
    for (size_t i = 0; i < steps_.size(); ++i) {
      step_ = i + 1;
      steps_[i]->finish(state_.stages[i], *this);
    }
  }

 private:
  const std::vector<std::unique_ptr<Decoder>>& steps_;
  DecodeState& state_;
  std::string& text_;
  size_t step_ = 0;
};

// Without a decoder.
class SpaceBetween final : public Decoder {
 public:
  void put(std::string_view part, bool ends_string, DecodeStage& stage, Sink& sink) const override {
    if (stage.strings++ > 0) sink.put(" ", false);
    sink.put(part, ends_string);
  }
  void finish(DecodeStage&, Sink&) const override {}
};

std::unique_ptr<Decoder> read_replace(const JsonView& component) {
  const JsonView literal = component["pattern"]["String"];
  const std::string& content = component["content"].string();
  if (!literal.is_null() && !literal.string().empty()) {
    return std::make_unique<ReplaceLiteral>(literal.string(), content);
  }
  return std::make_unique<ReplacePattern>(read_pattern(component["pattern"]), content);
}

std::unique_ptr<Decoder> read_decoder(const JsonView& component) {
  const std::string& type = component["type"].string();
  if (type == "ByteLevel") return std::make_unique<ByteLevel>();
  if (type == "ByteFallback") return std::make_unique<ByteFallback>();
  if (type == "Fuse") return std::make_unique<Fuse>();
  if (type == "Replace") return read_replace(component);
  if (type == "Strip") {
    return std::make_unique<Strip>(read_character(component["content"]),
                                   static_cast<size_t>(component["start"].token_id()),
                                   static_cast<size_t>(component["stop"].token_id()));
  }
  if (type == "Metaspace") {
    const bool never = component["prepend_scheme"].string_or("always") == "never";
    return std::make_unique<Metaspace>(read_character(component["replacement"]), !never);
  }
  if (type == "WordPiece") {
    return std::make_unique<WordPiece>(component["prefix"].string(),
                                       component["cleanup"].boolean());
  }
  if (type == "BPEDecoder" && !component["suffix"].string().empty()) {
    return std::make_unique<BpeDecoder>(component["suffix"].string());
  }
  component["type"].fail(
      "ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, WordPiece, BPEDecoder with a "
      "suffix, or Sequence",
      "this decoder is not supported");
}

}  // namespace

Decoders::Decoders(const JsonView& decoder) {
  if (decoder.is_null()) steps_.push_back(std::make_unique<SpaceBetween>());
  for_each_component(decoder, "decoders", [&](const JsonView& component) {
    steps_.push_back(read_decoder(component));
    is_byte_level_ = component["type"].string() == "ByteLevel";
  });
}

DecodeState Decoders::begin() const {
  return {Utf8Assembler(Utf8Replacement::kPerSubpart), true,
          std::vector<DecodeStage>(steps_.size())};
}

void Decoders::put(std::string_view token, DecodeState& state, std::string& text) const {
  Sequence(steps_, state, text).put(token, true);
}

void Decoders::finish(DecodeState& state, std::string& text) const {
  Sequence(steps_, state, text).finish();
}

}  // namespace eet
