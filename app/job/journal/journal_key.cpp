#include "app/job/journal/journal_key.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <type_traits>

namespace eet {
namespace {

// Strings fields together so that different fields never give the same bytes: each has its length
// in front where that varies.
class KeyText {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T> KeyText& add(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  KeyText& add(std::string_view value) {
    add(uint64_t{value.size()});
    text_ += value;
    return *this;
  }
  KeyText& add(const std::vector<int32_t>& ids) {
    add(uint64_t{ids.size()});
    text_.append(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t));
    return *this;
  }
  KeyText& add(const Hash128& hash) { return add(hash.low).add(hash.high); }

  Hash128 hash() const { return hash128(text_); }

 private:
  std::string text_;
};

// The structured bindings below name every member, so that a new one does not compile before it is
// decided whether results depend on it.

void add_params(KeyText& text, const InputRow& row, const JobIdentity& job) {
  const auto& [max_tokens, min_tokens, temperature, top_k, top_p, min_p, repetition_penalty,
               presence_penalty, frequency_penalty, seed, stop_token_ids, ignore_eos, n, best_of] =
      row.params;
  // One token can follow the last position.
  const int64_t room = job.max_model_len - static_cast<int64_t>(row.prompt_ids.size()) + 1;
  text.add(std::min<int64_t>(max_tokens, room)).add(min_tokens).add(temperature).add(top_k);
  text.add(top_p).add(min_p).add(repetition_penalty).add(presence_penalty);
  text.add(frequency_penalty).add(stop_token_ids).add(ignore_eos);
  text.add(n).add(std::max(n, best_of));
  if (temperature == 0) return;  // greedy rows draw nothing
  text.add(seed.has_value()).add(seed.value_or(job.seed)).add(seed ? 0 : row.row);
}

}  // namespace

Hash128 job_hash(const JobIdentity& job) {
  const auto& [program, model, device, dtype, format, seed, max_model_len] = job;
  const auto& [token_ids, style, served_model, table] = format;  // the journal has JSON always
  KeyText text;
  text.add(program).add(model).add(device).add(dtype);
  text.add(token_ids).add(static_cast<int>(style));
  text.add(style == RowStyle::kOpenAi ? served_model : std::string());
  return text.hash();
}

Hash128 shards_hash(JobIdentity job, const RowDefaults& defaults, std::string_view chat) {
  job.device.clear();
  job.max_model_len = std::numeric_limits<int32_t>::max();
  InputRow row;
  row.params = defaults.params;
  row.stop = defaults.stop;
  row.logprobs = defaults.logprobs;
  row.top_logprobs = defaults.top_logprobs;
  row.echo = defaults.echo;
  row.extra = chat;
  // The seed by itself, too: a row may draw where the defaults are greedy.
  return KeyText().add(row_key(row, job, job_hash(job))).add(job.seed).hash();
}

Hash128 row_key(const InputRow& row, const JobIdentity& job, const Hash128& hash_of_job) {
  // `prompt`, `messages` and what follows them have become `prompt_ids`.
  const auto& [index, place, input_bytes, id, extra, model, is_chat, prompt, messages, chat,
               prompt_ids, truncated, completion, score_from, params, stop, logprobs, top_logprobs,
               echo, error] = row;
  KeyText text;
  text.add(hash_of_job).add(id).add(extra).add(model).add(is_chat).add(prompt_ids).add(truncated);
  text.add(score_from.value_or(-1)).add(logprobs).add(top_logprobs).add(echo);
  add_params(text, row, job);
  text.add(uint64_t{stop.size()});
  for (const std::string& each : stop) text.add(each);
  if (job.format.style == RowStyle::kOpenAi) text.add(index);  // ids are made of it
  if (error) text.add(error->code).add(error->message);
  return text.hash();
}

}  // namespace eet
