#include "app/job/completion.h"

#include <utility>

namespace eet {
namespace {

// What a completion, good or bad, has of its row.
void take_identity(Completion& completion, InputRow& row) {
  completion.row = row.row;
  completion.id = std::move(row.id);
  completion.extra = std::move(row.extra);
  completion.model = std::move(row.model);
  completion.is_chat = row.is_chat;
  completion.truncated = row.truncated;
  completion.prompt_tokens = static_cast<int64_t>(row.prompt_ids.size());
}

}  // namespace

const char* finish_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    default:
      return "error";
  }
}

Completion failed_completion(InputRow row) {
  Completion completion;
  take_identity(completion, row);
  completion.finish = FinishReason::kError;
  completion.error = std::move(row.error);
  return completion;
}

CompletionBuilder::CompletionBuilder(InputRow row, const Tokenizer* tokenizer, bool echo)
    : row_(std::move(row)), stops_(row_.stop) {
  if (tokenizer == nullptr) return;
  decoder_.emplace(*tokenizer, /*skip_special_tokens=*/true);
  if (!echo) return;
  for (const int32_t id : row_.prompt_ids) completion_.text += decoder_->push(id);
}

void CompletionBuilder::append(std::string_view piece) {
  const auto generated = static_cast<int64_t>(completion_.token_ids.size());
  if (generated > row_.params.min_tokens) {
    stops_.push(piece, completion_.text);
  } else {
    completion_.text += piece;
  }
}

void CompletionBuilder::end_text() {
  append(decoder_->finish());
  stops_.finish(completion_.text);
}

bool CompletionBuilder::push(const TokenOutput& output) {
  if (output.finish == FinishReason::kError) {
    row_.fail(output.error.value_or(RowError{"internal_error", "the engine gave no reason"}));
    completion_.finish = FinishReason::kError;
    return false;
  }
  completion_.token_ids.push_back(output.token_id);
  completion_.logprobs.push_back(output.logprob);
  completion_.finish = output.finish;
  if (decoder_) {
    if (output.finish != FinishReason::kStop) append(decoder_->push(output.token_id));
    if (output.finish != FinishReason::kNone && !stops_.matched()) end_text();
    if (stops_.matched()) completion_.finish = FinishReason::kStop;
  }
  return completion_.finish == FinishReason::kNone;
}

Completion CompletionBuilder::take() {
  if (completion_.finish == FinishReason::kError) return failed_completion(std::move(row_));
  take_identity(completion_, row_);
  completion_.seconds = watch_.seconds();
  return std::move(completion_);
}

}  // namespace eet
