// The decoders of tokenizer.json: they turn tokens back into text, here one token after the other.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/decode_state.h"
#include "tokenizer/json_view.h"

namespace eet {

// One step. It takes a row of strings (tokens, or what a step before made of them) and gives
// another row, as early as what is still to come cannot change it. Immutable; a DecodeStage
// remembers.
class Decoder {
 public:
  // Where the strings that a step gives go: in parts, the last of which says so.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void put(std::string_view part, bool ends_string) = 0;
  };

  virtual ~Decoder() = default;

  // A part of a string.
  virtual void put(std::string_view part, bool ends_string, DecodeStage& stage,
                   Sink& sink) const = 0;

  // There are no more strings.
  virtual void finish(DecodeStage& stage, Sink& sink) const = 0;
};

// `decoder` of a tokenizer.json.
class Decoders {
 public:
  Decoders() = default;  // tokens as they are

  // Null means none: tokens with a space between. TokenizerError names what is not supported.
  explicit Decoders(const JsonView& decoder);

  bool is_byte_level() const { return is_byte_level_; }  // its last step is ByteLevel

  DecodeState begin() const;
  // Appends to `text` what the next token makes final.
  void put(std::string_view token, DecodeState& state, std::string& text) const;
  void finish(DecodeState& state, std::string& text) const;

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
  bool is_byte_level_ = false;
};

}  // namespace eet
