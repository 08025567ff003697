// Rows read, parsed and tokenized ahead of the engine, on a thread of their own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>

#include "app/job/bounded_queue.h"
#include "app/job/input/request_reader.h"
#include "app/job/text/prompt_encoder.h"

namespace eet {

class RowSource {
 public:
  // `reader` is used by the source's thread until it ends. That thread calls `on_raw_prompt` when
  // the first prompt comes that is text although the model has a template for messages.
  RowSource(RequestReader& reader, const PromptEncoder& encoder,
            std::function<void()> on_raw_prompt = {});
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

  // The rows of the whole input, once it has been read to its end.
  std::optional<int64_t> total_rows() const {
    const int64_t rows = total_rows_;
    return rows >= 0 ? std::optional<int64_t>(rows) : std::nullopt;
  }

  // Time spent tokenizing, once pop() has given nothing.
  double tokenize_seconds() const { return tokenize_seconds_; }

 private:
  void run();
  void encode(InputRow& row) const;
  void notice_raw_prompt(const InputRow& row);

  RequestReader& reader_;
  const PromptEncoder encoder_;
  std::function<void()> on_raw_prompt_;
  BoundedQueue<InputRow> queue_;
  double tokenize_seconds_ = 0;
  std::atomic<int64_t> total_rows_ = -1;  // not known
  std::thread thread_;
};

}  // namespace eet
