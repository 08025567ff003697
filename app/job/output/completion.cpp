#include "app/job/output/completion.h"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <numeric>
#include <utility>

#include "app/job/input/row_limits.h"

namespace eet {
namespace {

// What a completion, good or bad, has of its row.
void take_identity(Completion& completion, InputRow& row) {
  completion.row = row.row;
  completion.place = std::move(row.place);
  completion.id = std::move(row.id);
  completion.extra = std::move(row.extra);
  completion.model = std::move(row.model);
  completion.is_chat = row.is_chat;
  completion.has_logprobs = row.logprobs;
  completion.has_top = row.logprobs && row.top_logprobs > 0;
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

RowError too_large() {
  return {"output_too_large",
          concat("the row of the output would have more than ", kMaxOutputRowBytes >> 20,
                 " MiB; lower n or max_tokens, or leave out echo")};
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

Completion failed_completion(const Completion& completion, RowError error) {
  Completion failed;
  failed.row = completion.row;
  failed.place = completion.place;
  failed.id = completion.id;
  failed.extra = completion.extra;
  failed.model = completion.model;
  failed.is_chat = completion.is_chat;
  failed.has_logprobs = completion.has_logprobs;
  failed.has_top = completion.has_top;
  failed.truncated = completion.truncated;
  failed.num_choices = completion.num_choices;
  failed.prompt_tokens = completion.prompt_tokens;
  failed.finish = FinishReason::kError;
  error.message = concat(completion.place.text(), ": ", error.message);
  failed.error = std::move(error);
  return failed;
}

ChoiceBuilder::ChoiceBuilder(const InputRow& row, std::shared_ptr<const StopStrings> stops,
                             std::optional<IncrementalDecoder> decoder, std::string echo)
    : min_tokens_(row.params.min_tokens), decoder_(std::move(decoder)), stops_(std::move(stops)) {
  choice_.text = std::move(echo);
}

void ChoiceBuilder::append(std::string_view piece) {
  if (static_cast<int64_t>(choice_.token_ids.size()) > min_tokens_) {
    stops_.push(piece, choice_.text);
  } else {
    choice_.text += piece;
  }
}

void ChoiceBuilder::append(int32_t id) {
  if (stops_.empty()) {
    decoder_->append(id, choice_.text);
  } else {
    append(decoder_->push(id));
  }
}

void ChoiceBuilder::end_text() {
  append(decoder_->finish());
  stops_.finish(choice_.text);
}

void ChoiceBuilder::push(const TokenOutput& output) {
  choice_.token_ids.push_back(output.token_id);
  choice_.logprobs.push_back(output.logprob);
  if (!output.top.empty()) {
    std::vector<TopToken>& top = choice_.top.emplace_back();
    for (const auto& [id, logprob] : output.top) top.push_back({id, logprob, {}});
  }
  choice_.finish = output.finish;
  if (!decoder_) return;
  if (output.finish != FinishReason::kStop) append(output.token_id);
  if (output.finish != FinishReason::kNone && !stops_.matched()) end_text();
  if (stops_.matched()) choice_.finish = FinishReason::kStop;
}

// Of the JSON that a token's likeliest others take.
size_t CompletionBuilder::top_bytes(const InputRow& row) {
  constexpr size_t kTopTokenBytes = 128;
  return kTopTokenBytes * static_cast<size_t>(row.top_logprobs);
}

CompletionBuilder::CompletionBuilder(InputRow row, const Tokenizer* tokenizer, size_t token_bytes)
    : row_(std::move(row)),
      memory_bytes_(row_.memory_bytes()),
      tokenizer_(tokenizer),
      token_bytes_(token_bytes + sizeof(int32_t) + sizeof(float) + top_bytes(row_)),
      num_running_(num_samples()) {}

// False, and the row has an error, when the row of the output becomes too large.
bool CompletionBuilder::add_output_bytes(size_t bytes) {
  output_bytes_ += bytes;
  if (output_bytes_ <= kMaxOutputRowBytes) return true;
  fail(too_large());
  return false;
}

void CompletionBuilder::fail(RowError reason) {
  row_.fail(std::move(reason));
  num_running_ = 0;
}

bool CompletionBuilder::check_echo() {
  if (!row_.echo || row_.score_from || tokenizer_ == nullptr) return true;
  // A single prompt is found out when it has run.
  const auto samples = static_cast<size_t>(num_samples());
  if (samples == 1) return true;
  IncrementalDecoder decoder(*tokenizer_, /*skip_special_tokens=*/true);
  const size_t bytes = json_bytes(decoder.push(row_.prompt_ids));
  if ((samples + 1) * bytes <= kMaxOutputRowBytes) return true;
  fail(too_large());
  return false;
}

// The prompt is decoded once for all samples.
void CompletionBuilder::start_samples() {
  std::optional<IncrementalDecoder> decoder;
  std::string prompt_text;
  if (tokenizer_ != nullptr && !row_.score_from) {
    decoder.emplace(*tokenizer_, /*skip_special_tokens=*/true);
    prompt_text = decoder->push(row_.prompt_ids);
    if (!row_.echo) prompt_text.clear();
  }
  const auto stops = std::make_shared<const StopStrings>(row_.stop);
  samples_.reserve(static_cast<size_t>(num_samples()));
  while (num_samples() > static_cast<int32_t>(samples_.size())) {
    samples_.emplace_back(row_, stops, decoder, prompt_text);
    // The first choice is in a row twice where there are several.
    const size_t copies = samples_.size() == 1 && num_samples() > 1 ? 2 : 1;
    if (row_.echo && !add_output_bytes(copies * json_bytes(samples_.back().text()))) return;
  }
}

bool CompletionBuilder::push(const TokenOutput& output) {
  if (samples_.empty()) {
    waited_seconds_ = watch_.seconds();
    start_samples();
    if (row_.error) return false;
  }
  ChoiceBuilder& sample = samples_[output.sample];
  if (sample.ended()) return true;
  if (output.finish == FinishReason::kError) {
    fail(*output.error);
    return false;
  }
  const size_t text_begin = sample.text().size();
  sample.push(output);
  const size_t copies = output.sample == 0 && num_samples() > 1 ? 2 : 1;
  const size_t text_bytes = json_bytes(std::string_view(sample.text()).substr(text_begin));
  if (!add_output_bytes(copies * (text_bytes + token_bytes_))) return false;
  ++num_tokens_;
  is_greedy_ = is_greedy_ && output.is_argmax;
  if (!sample.ended()) return true;
  --num_running_;
  return false;
}

void CompletionBuilder::name_tokens(Choice& choice) const {
  for (const int32_t id : choice.token_ids) {
    choice.token_bytes.push_back(tokenizer_->token_bytes(id));
  }
  for (std::vector<TopToken>& top : choice.top) {
    for (TopToken& token : top) token.bytes = tokenizer_->token_bytes(token.token_id);
  }
}

Completion CompletionBuilder::take() {
  if (row_.error) return failed_completion(std::move(row_));
  std::vector<Choice> choices;
  choices.reserve(samples_.size());
  for (ChoiceBuilder& sample : samples_) {
    choices.push_back(sample.take());
    if (!row_.logprobs || row_.score_from || tokenizer_ == nullptr) continue;
    name_tokens(choices.back());
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
  completion.waited_seconds = waited_seconds_;
  completion.seconds = watch_.seconds() - waited_seconds_;
  return completion;
}

}  // namespace eet
