// What became of one row: its text as tokens arrive, and in the end its row of the output.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/job/request_reader.h"
#include "app/job/stop_matcher.h"
#include "app/job/stopwatch.h"
#include "lib/core/error.h"
#include "lib/engine.h"
#include "tokenizer/incremental_decoder.h"
#include "tokenizer/tokenizer.h"

namespace eet {

struct Completion {
  uint64_t row = 0;
  std::string id;     // JSON text
  std::string extra;  // JSON text of the fields that pass through: ,"key":value for each
  std::string model;  // JSON text of the model that the row names, or empty
  bool is_chat = false;
  bool truncated = false;  // the prompt that ran is not all of the row's
  std::string text;
  std::vector<int32_t> token_ids;  // all generated, the stop token included
  std::vector<float> logprobs;     // of token_ids
  int64_t prompt_tokens = 0;
  double seconds = 0;  // from when the row was ready to run to its end, its wait included
  FinishReason finish = FinishReason::kNone;
  std::optional<RowError> error;  // with kError, and then without text and tokens
};

// "stop", "length" or "error".
const char* finish_name(FinishReason reason);

// The completion of a row that never ran or failed. `row` has an error.
Completion failed_completion(InputRow row);

// Gathers one running row's tokens and turns them into text. The text is the tokenizer's decode of
// all generated ids (with `echo`, of the prompt's and the generated) without special tokens, cut
// before the first stop string; a stop token ends it without being part of it. Stop strings are not
// looked for in the prompt nor in the first min_tokens tokens.
class CompletionBuilder {
 public:
  // Without a tokenizer the text stays empty. `tokenizer` must outlive the builder.
  CompletionBuilder(InputRow row, const Tokenizer* tokenizer, bool echo);

  // Takes the next token. False once the row has ended: no more tokens may come.
  bool push(const TokenOutput& output);

  // True when the row ended by a stop string, which the engine cannot know.
  bool stopped_by_text() const { return stops_.matched(); }

  int64_t input_bytes() const { return row_.input_bytes; }

  // The completion of an ended row.
  Completion take();

 private:
  void append(std::string_view piece);
  void end_text();

  InputRow row_;
  std::optional<IncrementalDecoder> decoder_;
  StopMatcher stops_;
  Stopwatch watch_;
  Completion completion_;
};

}  // namespace eet
