// Rows read, parsed and tokenized ahead of the engine, on a thread of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>

#include "app/job/bounded_queue.h"
#include "app/job/request_reader.h"
#include "tokenizer/tokenizer.h"

namespace eet {

// Turns the row's text into ids; a row that has ids stays as it is. Marks the row as bad when there
// is no tokenizer (no_tokenizer), when the prompt is empty (empty_prompt; text that is empty is a
// prompt where the tokenizer adds BOS), or when its text is so long that it cannot be at most
// `max_tokens` tokens (prompt_too_long).
void encode_prompt(InputRow& row, const Tokenizer* tokenizer, int64_t max_tokens);

class RowSource {
 public:
  // `reader` and `tokenizer` (null: none) are used by the source's thread until it ends.
  RowSource(RequestReader& reader, const Tokenizer* tokenizer, int64_t max_tokens);
  ~RowSource();
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;

  // The next row in the order of the input; waits for it. Nothing at the end. Throws what stopped
  // the thread.
  std::optional<InputRow> pop() { return queue_.pop(); }
  // As pop(), but nothing also when the next row is not ready within `patience`.
  std::optional<InputRow> pop_within(std::chrono::milliseconds patience) {
    return queue_.pop_within(patience);
  }

  // Time spent tokenizing, once pop() has given nothing.
  double tokenize_seconds() const { return tokenize_seconds_; }

 private:
  void run(const Tokenizer* tokenizer, int64_t max_tokens);

  RequestReader& reader_;
  BoundedQueue<InputRow> queue_;
  double tokenize_seconds_ = 0;
  std::thread thread_;
};

}  // namespace eet
