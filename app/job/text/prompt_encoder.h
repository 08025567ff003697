// Prompts, as rows give them, to token ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/job/input/input_row.h"
#include "app/job/text/model_chat.h"
#include "tokenizer/tokenizer.h"

namespace eet {

// What becomes of a prompt that does not fit.
enum class LongPrompts { kError, kTruncateLeft, kTruncateRight };

// May be used by several threads.
class PromptEncoder {
 public:
  // `tokenizer` may be null, the model has none, and must outlive the encoder.
  PromptEncoder(const Tokenizer* tokenizer, ModelChat chat, int64_t max_model_len,
                LongPrompts long_prompts = LongPrompts::kError);

  // Turns the row's text or messages into prompt_ids; a row that has ids keeps them. A rendered
  // conversation is encoded as it is: its template writes BOS where the model wants one.
  //
  // Marks the row as bad when there is no tokenizer (no_tokenizer) or chat template
  // (no_chat_template), when text or messages cannot be encoded (invalid_prompt, invalid_messages),
  // when the prompt is empty (empty_prompt; text that is empty is a prompt where the tokenizer adds
  // BOS), or, unless prompts are truncated, when its text is so long that it cannot be at most
  // max_model_len tokens (prompt_too_long).
  //
  // A row to be scored is encoded as one text with its completion, and score_from becomes the
  // number of tokens of the prompt alone; white space at the prompt's end, of all that Python's
  // str.rstrip knows, is taken for the completion's. That is where lm-evaluation-harness splits, so
  // that a token over the border is part of what is scored. As there, an empty prompt is the BOS,
  // or the EOS where there is none, unless the completion begins with it. Without a completion all
  // but the first token is scored.
  //
  // A stop string that is a special token, whose text never comes out, becomes a stop token.
  //
  // Where they are, prompt_ids are cut to max_model_len - max_tokens, but not below half of
  // max_model_len; a cut on the left spares BOS.
  void encode(InputRow& row) const;

  const ModelChat& chat() const { return chat_; }

 private:
  void encode_prompt(InputRow& row, const std::string& text, bool add_special_tokens) const;
  void add_prefix(InputRow& row) const;
  void add_stop_tokens(InputRow& row) const;
  std::vector<int32_t> encode_text(std::string_view text, bool add_special_tokens,
                                   bool& truncated) const;
  std::string_view cut_text(std::string_view text) const;
  void cut_ids(InputRow& row) const;

  const Tokenizer* tokenizer_;
  ModelChat chat_;
  int64_t max_model_len_;
  int64_t max_bytes_per_token_;  // that a text can have
  LongPrompts long_prompts_;
};

}  // namespace eet
