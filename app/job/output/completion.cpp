#include "app/job/output/completion.h"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <numeric>
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
  completion.has_logprobs = row.logprobs;
  completion.truncated = row.truncated;
  completion.num_choices = row.params.n;
  const auto num_ids = static_cast<int64_t>(row.prompt_ids.size());
  completion.prompt_tokens = row.score_from ? std::min<int64_t>(*row.score_from, num_ids) : num_ids;
}

double mean_logprob(const Choice& choice) {
  const double sum = std::accumulate(choice.logprobs.begin(), choice.logprobs.end(), 0.0);
  return sum / static_cast<double>(choice.logprobs.size());
}

// Where there are more than `count` choices, keeps the likeliest by their mean log-probability, the
// largest first and in their order where it is the same.
void keep_likeliest(std::vector<Choice>& choices, size_t count) {
  if (choices.size() <= count) return;
  std::stable_sort(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
    return mean_logprob(a) > mean_logprob(b);
  });
  choices.resize(count);
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

ChoiceBuilder::ChoiceBuilder(const InputRow& row, std::optional<IncrementalDecoder> decoder,
                             std::string echo)
    : min_tokens_(row.params.min_tokens), decoder_(std::move(decoder)), stops_(row.stop) {
  choice_.text = std::move(echo);
}

void ChoiceBuilder::append(std::string_view piece) {
  if (static_cast<int64_t>(choice_.token_ids.size()) > min_tokens_) {
    stops_.push(piece, choice_.text);
  } else {
    choice_.text += piece;
  }
}

void ChoiceBuilder::end_text() {
  append(decoder_->finish());
  stops_.finish(choice_.text);
}

void ChoiceBuilder::push(const TokenOutput& output) {
  choice_.token_ids.push_back(output.token_id);
  choice_.logprobs.push_back(output.logprob);
  choice_.finish = output.finish;
  if (!decoder_) return;
  if (output.finish != FinishReason::kStop) append(decoder_->push(output.token_id));
  if (output.finish != FinishReason::kNone && !stops_.matched()) end_text();
  if (stops_.matched()) choice_.finish = FinishReason::kStop;
}

CompletionBuilder::CompletionBuilder(InputRow row, const Tokenizer* tokenizer)
    : row_(std::move(row)), tokenizer_(tokenizer), num_running_(num_samples()) {}

// The prompt is decoded once for all samples.
void CompletionBuilder::start_samples() {
  std::optional<IncrementalDecoder> decoder;
  std::string prompt_text;
  if (tokenizer_ != nullptr && !row_.score_from) {
    decoder.emplace(*tokenizer_, /*skip_special_tokens=*/true);
    prompt_text = decoder->push(row_.prompt_ids);
    if (!row_.echo) prompt_text.clear();
  }
  samples_.reserve(num_samples());
  while (num_samples() > static_cast<int32_t>(samples_.size())) {
    samples_.emplace_back(row_, decoder, prompt_text);
  }
}

bool CompletionBuilder::push(const TokenOutput& output) {
  if (samples_.empty()) start_samples();
  ChoiceBuilder& sample = samples_[output.sample];
  if (sample.ended()) return true;
  if (output.finish == FinishReason::kError) {
    row_.fail(output.error.value_or(RowError{"internal_error", "the engine gave no reason"}));
    num_running_ = 0;
    return false;
  }
  sample.push(output);
  ++num_tokens_;
  is_greedy_ = is_greedy_ && output.is_argmax;
  if (!sample.ended()) return true;
  --num_running_;
  return false;
}

Completion CompletionBuilder::take() {
  if (row_.error) return failed_completion(std::move(row_));
  std::vector<Choice> choices;
  choices.reserve(samples_.size());
  for (ChoiceBuilder& sample : samples_) {
    choices.push_back(sample.take());
    if (!row_.logprobs || row_.score_from || tokenizer_ == nullptr) continue;
    for (const int32_t id : choices.back().token_ids) {
      choices.back().token_bytes.push_back(tokenizer_->token_bytes(id));
    }
  }
  keep_likeliest(choices, static_cast<size_t>(row_.params.n));

  Completion completion;
  static_cast<Choice&>(completion) = std::move(choices.front());
  completion.other_choices.assign(std::make_move_iterator(choices.begin() + 1),
                                  std::make_move_iterator(choices.end()));
  take_identity(completion, row_);
  completion.completion_tokens = num_tokens_;
  completion.is_greedy = is_greedy_;
  completion.created = std::time(nullptr);
  completion.seconds = watch_.seconds();
  return completion;
}

}  // namespace eet
