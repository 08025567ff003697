#include "app/job/text/prompt_encoder.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "app/job/input/json_members.h"
#include "tokenizer/jinja/python_text.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

// Normalisation may make a text shorter: composed Hangul has a third of the bytes.
constexpr int64_t kMaxShrinking = 4;

// Text that at most one token stands for. Tokenizing text beyond the limit that this gives could
// cost gigabytes, only to find that the prompt is too long.
int64_t longest_token_bytes(const Tokenizer& tokenizer) {
  size_t longest = 1;
  std::string text;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    DecodeState state = tokenizer.begin_decoding();
    state.at_start = false;
    text.clear();
    tokenizer.append_text(id, /*skip_special_tokens=*/false, state, text);
    tokenizer.finish_text(state, text);
    longest = std::max(longest, text.size());
  }
  return static_cast<int64_t>(longest) * kMaxShrinking;
}

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

}  // namespace

PromptEncoder::PromptEncoder(const Tokenizer* tokenizer, ModelChat chat, int64_t max_model_len,
                             LongPrompts long_prompts)
    : tokenizer_(tokenizer),
      chat_(std::move(chat)),
      max_model_len_(max_model_len),
      max_bytes_per_token_(tokenizer != nullptr ? longest_token_bytes(*tokenizer) : 0),
      long_prompts_(long_prompts) {}

void PromptEncoder::encode(InputRow& row) const {
  try {
    if (row.messages) {
      encode_prompt(row, chat_.render(*row.messages, row.chat), /*add_special_tokens=*/false);
    } else if (row.prompt && chat_.wraps_prompts()) {
      row.is_chat = true;
      encode_prompt(row, chat_.render_prompt(*row.prompt, row.chat), /*add_special_tokens=*/false);
    } else if (row.prompt) {
      encode_prompt(row, *row.prompt, /*add_special_tokens=*/true);
    }
    row.messages.reset();
    row.prompt.reset();
    if (row.score_from == 0) add_prefix(row);
    add_stop_tokens(row);
    if (row.prompt_ids.empty()) {
      throw BadRow({"empty_prompt", "prompt: expected at least one token"});
    }
  } catch (const BadRow& bad) {
    row.fail(bad.row_error());
    return;
  }
  cut_ids(row);
}

void PromptEncoder::encode_prompt(InputRow& row, const std::string& text,
                                  bool add_special_tokens) const {
  if (!row.completion) {
    row.prompt_ids = encode_text(text, add_special_tokens, row.truncated);
    return;
  }
  const std::string_view context = jinja::strip(text, {.left = false});
  const std::string whole = text + *row.completion;
  row.completion.reset();
  if (context.empty()) {
    row.prompt_ids = encode_text(whole, /*add_special_tokens=*/false, row.truncated);
    row.score_from = 0;
    return;
  }
  const size_t border = encode_text(context, add_special_tokens, row.truncated).size();
  row.prompt_ids = encode_text(whole, add_special_tokens, row.truncated);
  row.score_from = static_cast<int32_t>(border);
}

void PromptEncoder::add_prefix(InputRow& row) const {
  std::optional<int32_t> prefix;
  if (tokenizer_ != nullptr) {
    prefix = tokenizer_->bos_id() ? tokenizer_->bos_id() : tokenizer_->eos_id();
  }
  if (!prefix) {
    throw BadRow({"empty_prompt",
                  "prompt: expected at least one token, as the model has neither BOS nor EOS to "
                  "stand in front of the completion"});
  }
  row.score_from = 1;
  if (row.prompt_ids.empty() || row.prompt_ids.front() != *prefix) {
    row.prompt_ids.insert(row.prompt_ids.begin(), *prefix);
  }
}

void PromptEncoder::add_stop_tokens(InputRow& row) const {
  if (tokenizer_ == nullptr) return;
  for (const std::string& stop : row.stop) {
    if (!is_utf8(stop)) continue;
    const std::vector<int32_t> ids = tokenizer_->encode(stop, /*add_special_tokens=*/false);
    if (ids.size() != 1 || !tokenizer_->is_special(ids[0])) continue;
    std::vector<int32_t>& tokens = row.params.stop_token_ids;
    if (std::ranges::find(tokens, ids[0]) == tokens.end()) tokens.push_back(ids[0]);
  }
}

std::vector<int32_t> PromptEncoder::encode_text(std::string_view text, bool add_special_tokens,
                                                bool& truncated) const {
  if (tokenizer_ == nullptr) {
    throw BadRow({"no_tokenizer", "the model has no tokenizer: give prompt_token_ids, not text"});
  }
  const std::string_view used = cut_text(text);
  truncated = used.size() < text.size();
  try {
    return add_special_tokens ? tokenizer_->encode_prompt(used)
                              : tokenizer_->encode(used, /*add_special_tokens=*/false);
  } catch (const TokenizerError& error) {
    throw BadRow({"invalid_prompt", concat("prompt: ", error.what())});
  }
}

// Text beyond what can be max_model_len tokens is never tokenized.
std::string_view PromptEncoder::cut_text(std::string_view text) const {
  const auto bytes = static_cast<int64_t>(text.size());
  if (bytes / max_bytes_per_token_ <= max_model_len_) return text;
  if (long_prompts_ == LongPrompts::kError) {
    throw BadRow({"prompt_too_long", concat("prompt: ", bytes, " bytes of text cannot be at most ",
                                            max_model_len_, " tokens")});
  }
  auto excess = static_cast<size_t>(bytes - max_model_len_ * max_bytes_per_token_);
  if (long_prompts_ == LongPrompts::kTruncateLeft) {
    while (excess < text.size() && continues_character(text[excess])) ++excess;
    return text.substr(excess);
  }
  size_t kept = text.size() - excess;
  while (kept > 0 && continues_character(text[kept])) --kept;
  return text.substr(0, kept);
}

void PromptEncoder::cut_ids(InputRow& row) const {
  if (long_prompts_ == LongPrompts::kError) return;
  const int64_t room = max_model_len_ - std::max<int64_t>(row.params.max_tokens, 0);
  const auto limit = static_cast<size_t>(std::max({room, max_model_len_ / 2, int64_t{1}}));
  std::vector<int32_t>& ids = row.prompt_ids;
  if (ids.size() <= limit) return;
  row.truncated = true;
  if (long_prompts_ == LongPrompts::kTruncateLeft) {
    const std::optional<int32_t> bos = tokenizer_ != nullptr ? tokenizer_->bos_id() : std::nullopt;
    const std::ptrdiff_t kept_front = limit > 1 && bos == ids.front() ? 1 : 0;
    const auto excess = static_cast<std::ptrdiff_t>(ids.size() - limit);
    ids.erase(ids.begin() + kept_front, ids.begin() + kept_front + excess);
  } else {
    ids.resize(limit);
  }
}

}  // namespace eet
