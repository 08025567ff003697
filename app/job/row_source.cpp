#include "app/job/row_source.h"

#include <exception>
#include <utility>

#include "app/job/stopwatch.h"

namespace eet {
namespace {

constexpr size_t kMaxQueuedRows = 1024;
constexpr size_t kMaxQueuedBytes = size_t{256} << 20;

// No token of any known vocabulary stands for more text. Tokenizing text beyond the limit that this
// gives could cost gigabytes, only to find that the prompt is too long.
constexpr int64_t kMaxBytesPerToken = 256;

}  // namespace

void encode_prompt(InputRow& row, const Tokenizer* tokenizer, int64_t max_tokens) {
  if (row.prompt && tokenizer == nullptr) {
    row.fail({"no_tokenizer", "the model has no tokenizer: give prompt_token_ids, not text"});
    return;
  }
  if (row.prompt) {
    const auto bytes = static_cast<int64_t>(row.prompt->size());
    if (bytes / kMaxBytesPerToken > max_tokens) {
      row.fail({"prompt_too_long", concat("prompt: ", bytes, " bytes of text cannot be at most ",
                                          max_tokens, " tokens")});
      return;
    }
    try {
      row.prompt_ids = tokenizer->encode(*row.prompt, /*add_special_tokens=*/true);
    } catch (const TokenizerError& error) {
      row.fail({"invalid_prompt", concat("prompt: ", error.what())});
      return;
    }
    row.prompt.reset();
  }
  if (row.prompt_ids.empty()) row.fail({"empty_prompt", "prompt: expected at least one token"});
}

RowSource::RowSource(RequestReader& reader, const Tokenizer* tokenizer, int64_t max_tokens)
    : reader_(reader), queue_(kMaxQueuedRows, kMaxQueuedBytes) {
  thread_ = std::thread([this, tokenizer, max_tokens] {
    try {
      run(tokenizer, max_tokens);
      queue_.close();
    } catch (...) {
      queue_.fail(std::current_exception());
    }
  });
}

RowSource::~RowSource() {
  queue_.cancel();
  reader_.cancel();
  thread_.join();
}

void RowSource::run(const Tokenizer* tokenizer, int64_t max_tokens) {
  while (std::optional<InputRow> row = reader_.next()) {
    if (!row->error) {
      const ScopedTimer timer(tokenize_seconds_);
      encode_prompt(*row, tokenizer, max_tokens);
    }
    const auto bytes = static_cast<size_t>(row->input_bytes);
    if (!queue_.push(std::move(*row), bytes)) return;
  }
}

}  // namespace eet
