// What became of one row: its text as tokens arrive, and in the end its row of the output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/job/input/request_reader.h"
#include "app/job/stopwatch.h"
#include "app/job/text/stop_matcher.h"
#include "lib/core/error.h"
#include "lib/engine.h"
#include "tokenizer/incremental_decoder.h"
#include "tokenizer/tokenizer.h"

namespace eet {

// One of the likeliest tokens in the place of another.
struct TopToken {
  int32_t token_id = -1;
  float logprob = 0.0F;
  std::string bytes;  // where there is a tokenizer
};

// One generated text.
struct Choice {
  std::string text;
  std::vector<int32_t> token_ids;        // all generated, the stop token included; or those scored
  std::vector<float> logprobs;           // of token_ids
  std::vector<std::string> token_bytes;  // of token_ids, where the row has logprobs
  std::vector<std::vector<TopToken>> top;  // for each of token_ids, where the row wants them
  FinishReason finish = FinishReason::kNone;
};

// A row's result: its first choice, and with n > 1 the others. In the order of their samples, or
// with best_of > n by their mean log-probability, the largest first.
struct Completion : Choice {
  uint64_t row = 0;
  RowPlace place;     // of the row of the input
  std::string id;     // JSON text
  std::string extra;  // JSON text of the fields that pass through: ,"key":value for each
  std::string model;  // JSON text of the model that the row names, or empty
  bool is_chat = false;
  bool has_logprobs = false;  // the row of the output has them
  bool has_top = false;       // and the likeliest tokens
  bool truncated = false;     // the prompt that ran is not all of the row's
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;  // of all samples, wanted or not
  int32_t num_choices = 1;        // n
  std::vector<Choice> other_choices;
  bool is_greedy = true;      // of a scored row: greedy decoding would have given just these tokens
  int64_t created = 0;        // when it was complete, in seconds of Unix time
  double waited_seconds = 0;  // from when the row was ready to run to its first token
  double seconds = 0;         // from there to its end
  std::optional<RowError> error;  // with kError, and then without text and tokens
};

// "stop", "length" or "error".
const char* finish_name(FinishReason reason);

// The completion of a row that never ran or failed. `row` has an error.
Completion failed_completion(InputRow row);

// The same for a row that failed when it was complete.
Completion failed_completion(const Completion& completion, RowError error);

// Gathers one sample's tokens and turns them into text: what the generated ids add to the decode of
// the prompt's, without special tokens, cut before the first stop string. A stop token ends it
// without being part of it. Stop strings are not looked for in the first min_tokens tokens.
class ChoiceBuilder {
 public:
  // `decoder` has taken the prompt; without one the text stays empty. `echo` is the prompt's text,
  // which goes in front, and in which no stop string is looked for.
  ChoiceBuilder(const InputRow& row, std::shared_ptr<const StopStrings> stops,
                std::optional<IncrementalDecoder> decoder, std::string echo);

  // Takes the next token; none may come once the sample has ended.
  void push(const TokenOutput& output);

  bool ended() const { return choice_.finish != FinishReason::kNone; }
  const std::string& text() const { return choice_.text; }
  Choice take() { return std::move(choice_); }

 private:
  void append(std::string_view piece);
  void append(int32_t id);
  void end_text();

  int64_t min_tokens_;
  std::optional<IncrementalDecoder> decoder_;
  StopMatcher stops_;
  Choice choice_;
};

// Gathers the tokens of all samples of a running row.
class CompletionBuilder {
 public:
  // Without a tokenizer texts stay empty. `tokenizer` must outlive the builder. A row of the output
  // has `token_bytes` of JSON for each token beside its text.
  CompletionBuilder(InputRow row, const Tokenizer* tokenizer, size_t token_bytes = 0);

  // Before the row runs: false, and it has an error, when the prompt that all samples echo makes
  // the row of the output too large.
  bool check_echo();

  // Takes the next token of one of the samples. False when that has ended the sample, which the
  // engine does not know where the output does not say so. What comes for an ended sample is left
  // out. A row whose output would be larger than kMaxOutputRowBytes ends with an error
  // (output_too_large).
  bool push(const TokenOutput& output);

  // Ends the row with an error.
  void fail(RowError reason);

  // Whether all samples have ended, or one of them by an error.
  bool ended() const { return num_running_ == 0; }

  int64_t input_bytes() const { return row_.input_bytes; }
  size_t memory_bytes() const { return memory_bytes_; }  // of the row of the input
  int32_t num_samples() const { return row_.score_from ? 1 : row_.params.num_samples(); }

  // The completion of an ended row.
  Completion take();

 private:
  void start_samples();
  bool add_output_bytes(size_t bytes);
  void name_tokens(Choice& choice) const;
  static size_t top_bytes(const InputRow& row);
  InputRow row_;
  size_t memory_bytes_;
  const Tokenizer* tokenizer_;
  size_t token_bytes_;
  size_t output_bytes_ = 0;             // of the row of the output, as JSON
  std::vector<ChoiceBuilder> samples_;  // made when the row starts: those that wait need none
  int64_t num_running_;
  int64_t num_tokens_ = 0;
  bool is_greedy_ = true;
  Stopwatch watch_;
  double waited_seconds_ = 0;  // until the first token
};

}  // namespace eet
