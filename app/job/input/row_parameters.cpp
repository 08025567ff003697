#include "app/job/input/row_parameters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <vector>

#include "app/job/input/near_miss.h"
#include "app/job/input/row_limits.h"
#include "app/job/input/unsupported_parameters.h"
#include "lib/request.h"

namespace eet {
namespace {

using nlohmann::json;

constexpr const char* kInvalid = "invalid_parameter";

void assign(int32_t& out, const Field& field) {
  const std::optional<int32_t> number = as_int32(field.value());
  if (!number) field.reject(kInvalid, "a 32-bit integer");
  out = *number;
}

void assign(float& out, const Field& field) {
  if (!field.value().is_number()) field.reject(kInvalid, "a number");
  const double number = field.value().get<double>();
  if (std::abs(number) > std::numeric_limits<float>::max()) {
    field.reject(kInvalid, "a 32-bit float");
  }
  out = static_cast<float>(number);
}

void assign(bool& out, const Field& field) {
  if (!field.value().is_boolean()) field.reject(kInvalid, "true or false");
  out = field.value().get<bool>();
}

void assign(std::optional<uint64_t>& out, const Field& field) {
  constexpr double kEnd = 18446744073709551616.0;  // 2^64
  const json& value = field.value();
  if (value.is_number_unsigned()) {
    out = value.get<uint64_t>();
    return;
  }
  if (value == json(-1)) {  // vLLM's and llama.cpp's word for none
    out.reset();
    return;
  }
  const double number = value.is_number_float() ? value.get<double>() : -1.0;
  if (number < 0 || number >= kEnd || number != std::floor(number)) {
    field.reject(kInvalid, "an integer from 0 to 2^64 - 1, or -1 for none");
  }
  out = static_cast<uint64_t>(number);
}

void assign(std::vector<int32_t>& out, const Field& field) {
  if (!field.value().is_array()) field.reject(kInvalid, "a list of token ids");
  out.clear();
  for (const json& id : field.value()) {
    const std::optional<int32_t> number = as_int32(id);
    if (!number) field.reject(kInvalid, "a list of 32-bit integers");
    out.push_back(*number);
  }
}

void assign(std::vector<std::string>& out, const Field& field) {
  constexpr std::string_view kExpected = "a string or a list of strings, none of them empty";
  const auto check = [&](const json& stop) {
    if (!stop.is_string() || stop.get_ref<const std::string&>().empty()) {
      field.reject(kInvalid, kExpected);
    }
  };
  if (!field.value().is_array()) {
    check(field.value());
    out = {field.value().get<std::string>()};
  } else {
    for (const json& stop : field.value()) check(stop);
    out = field.value().get<std::vector<std::string>>();
  }
  const std::string exceeded = exceeded_limit(out);
  if (!exceeded.empty()) throw BadRow({kInvalid, concat(field.name(), ": expected ", exceeded)});
}

using Setter = void (*)(InputRow&, const Field&);

template <auto kMember>
void set_param(InputRow& row, const Field& field) {
  assign(row.params.*kMember, field);
}

void set_stop(InputRow& row, const Field& field) {
  assign(row.stop, field);
}

// llama.cpp's and Ollama's: -1 and -2 are as many as there is room for.
void set_n_predict(InputRow& row, const Field& field) {
  assign(row.params.max_tokens, field);
  if (row.params.max_tokens == -1 || row.params.max_tokens == -2) {
    row.params.max_tokens = std::numeric_limits<int32_t>::max();
  }
}

void set_echo(InputRow& row, const Field& field) {
  assign(row.echo, field);
}

void set_top_logprobs(InputRow& row, const Field& field) {
  assign(row.top_logprobs, field);
  if (row.top_logprobs < 0 || row.top_logprobs > kMaxTopLogprobs) {
    field.reject(kInvalid, concat("an integer from 0 to ", kMaxTopLogprobs));
  }
}

// A number, as completions have it, is top_logprobs too.
void set_logprobs(InputRow& row, const Field& field) {
  row.logprobs = field.value() != json(false);
  if (!field.value().is_boolean()) {
    set_top_logprobs(row, field);
  } else if (!row.logprobs) {
    row.top_logprobs = 0;
  }
}

// Read with the others, and settled when all are (settle_parameters).
void check_do_sample(InputRow& /*row*/, const Field& field) {
  bool ignored = false;
  assign(ignored, field);
}

struct Parameter {
  std::string_view name;
  std::string_view same_as;  // the parameter that it is another name for, or its own
  Setter set;
};

constexpr Parameter kParameters[] = {
    {"max_tokens", "max_tokens", set_param<&SamplingParams::max_tokens>},
    {"max_new_tokens", "max_tokens", set_param<&SamplingParams::max_tokens>},
    {"max_completion_tokens", "max_tokens", set_param<&SamplingParams::max_tokens>},
    {"max_output_tokens", "max_tokens", set_param<&SamplingParams::max_tokens>},
    {"max_gen_toks", "max_tokens", set_param<&SamplingParams::max_tokens>},
    {"max_tokens_to_sample", "max_tokens", set_param<&SamplingParams::max_tokens>},
    {"max_gen_len", "max_tokens", set_param<&SamplingParams::max_tokens>},
    {"tokens_to_generate", "max_tokens", set_param<&SamplingParams::max_tokens>},
    {"n_predict", "max_tokens", set_n_predict},
    {"num_predict", "max_tokens", set_n_predict},
    {"min_tokens", "min_tokens", set_param<&SamplingParams::min_tokens>},
    {"min_new_tokens", "min_tokens", set_param<&SamplingParams::min_tokens>},
    {"do_sample", "do_sample", check_do_sample},
    {"temperature", "temperature", set_param<&SamplingParams::temperature>},
    {"top_k", "top_k", set_param<&SamplingParams::top_k>},
    {"top_p", "top_p", set_param<&SamplingParams::top_p>},
    {"min_p", "min_p", set_param<&SamplingParams::min_p>},
    {"repetition_penalty", "repetition_penalty", set_param<&SamplingParams::repetition_penalty>},
    {"repeat_penalty", "repetition_penalty", set_param<&SamplingParams::repetition_penalty>},
    {"presence_penalty", "presence_penalty", set_param<&SamplingParams::presence_penalty>},
    {"frequency_penalty", "frequency_penalty", set_param<&SamplingParams::frequency_penalty>},
    {"seed", "seed", set_param<&SamplingParams::seed>},
    {"random_seed", "seed", set_param<&SamplingParams::seed>},
    {"stop", "stop", set_stop},
    {"stop_sequences", "stop", set_stop},
    {"stop_strings", "stop", set_stop},
    {"stop_words", "stop", set_stop},
    {"stop_token_ids", "stop_token_ids", set_param<&SamplingParams::stop_token_ids>},
    {"ignore_eos", "ignore_eos", set_param<&SamplingParams::ignore_eos>},
    {"n", "n", set_param<&SamplingParams::n>},
    {"num_return_sequences", "n", set_param<&SamplingParams::n>},
    {"best_of", "best_of", set_param<&SamplingParams::best_of>},
    {"logprobs", "logprobs", set_logprobs},
    {"top_logprobs", "top_logprobs", set_top_logprobs},
    {"echo", "echo", set_echo},
    {"return_full_text", "echo", set_echo},
};

constexpr auto kParameterNames = [] {
  std::array<std::string_view, std::size(kParameters)> names;
  std::ranges::transform(kParameters, names.begin(), &Parameter::name);
  return names;
}();

const Parameter* find_parameter(std::string_view name) {
  const auto* const found = std::ranges::find(kParameters, name, &Parameter::name);
  return found == std::end(kParameters) ? nullptr : found;
}

bool is_empty(const json& value) {
  return value == json(false) || value == json(0) || value == json("") ||
         (value.is_structured() && value.empty());
}

void check_neutral(const Field& field, const json& neutral) {
  if (field.value() == neutral || (neutral.is_null() && is_empty(field.value()))) return;
  const std::string expected = neutral.is_null() ? "nothing" : neutral.dump();
  field.reject("unsupported_parameter", expected + " (nothing else is supported)");
}

// Both may ask for the likeliest tokens; only true, or what holds for all rows, goes with
// top_logprobs.
void settle_top_logprobs(InputRow& row, const Field& top, const JsonMember* logprobs) {
  if (logprobs != nullptr && Field(*logprobs).value().is_number()) {
    throw BadRow(
        {kInvalid, "logprobs and top_logprobs: a number in logprobs is the same: give one"});
  }
  set_top_logprobs(row, top);
  if (row.logprobs || row.top_logprobs == 0) return;
  throw BadRow({kInvalid, "top_logprobs: expected logprobs: true beside it"});
}

std::string_view without_quotes(std::string_view raw_key) {
  return raw_key.substr(1, raw_key.size() - 2);
}

}  // namespace

std::string shown(std::string_view raw) {
  constexpr size_t kMaxBytes = 60;
  return raw.size() <= kMaxBytes ? std::string(raw) : concat(raw.substr(0, kMaxBytes), "...");
}

bool is_null(const JsonMember& member) {
  return member.raw_value == "null";
}

std::optional<int32_t> as_int32(const json& value) {
  using Limits = std::numeric_limits<int32_t>;
  if (!value.is_number()) return std::nullopt;
  // Whole numbers of 32 bits are exact in a double, and larger ones stay out of range.
  const double number = value.get<double>();
  if (number < Limits::min() || number > Limits::max() || number != std::floor(number)) {
    return std::nullopt;
  }
  return static_cast<int32_t>(number);
}

Field::Field(const JsonMember& member)
    : name_(without_quotes(member.raw_key)),
      raw_(member.raw_value),
      value_((check_value_size(name_, raw_), json::parse(raw_))) {}

void Field::reject(const char* code, std::string_view expected) const {
  throw BadRow({code, concat(name_, ": expected ", expected, ", got ", shown(raw_))});
}

bool is_parameter(std::string_view key) {
  return find_parameter(key) != nullptr || find_unsupported(key) != nullptr;
}

bool is_text_parameter(std::string_view key) {
  const Parameter* parameter = find_parameter(key);
  return parameter != nullptr && parameter->same_as == "stop";
}

bool take_parameter(InputRow& row, const JsonMember& member) {
  if (const Parameter* parameter = find_parameter(member.key)) {
    if (!is_null(member)) parameter->set(row, Field(member));
  } else if (const UnsupportedParameter* other = find_unsupported(member.key)) {
    if (!is_null(member)) check_neutral(Field(member), json::parse(other->neutral));
  } else {
    return false;
  }
  return true;
}

void settle_parameters(InputRow& row, std::span<const JsonMember> members) {
  std::vector<std::pair<std::string_view, const JsonMember*>> seen;
  const auto find = [&](std::string_view name) {
    const auto found = std::ranges::find(seen, name, [](const auto& each) { return each.first; });
    return found == seen.end() ? nullptr : found->second;
  };
  for (const JsonMember& member : members) {
    const Parameter* parameter = find_parameter(member.key);
    if (parameter == nullptr || is_null(member)) continue;
    if (const JsonMember* first = find(parameter->same_as)) {
      throw BadRow(
          {kInvalid, concat(without_quotes(first->raw_key), " and ", without_quotes(member.raw_key),
                            " are the same parameter: give one")});
    }
    seen.emplace_back(parameter->same_as, &member);
  }
  const JsonMember* logprobs = find("logprobs");
  const JsonMember* top_logprobs = find("top_logprobs");
  if (top_logprobs != nullptr) settle_top_logprobs(row, Field(*top_logprobs), logprobs);
  const JsonMember* do_sample = find("do_sample");
  if (do_sample == nullptr) return;
  const bool greedy = do_sample->raw_value == "false";
  if (greedy) row.params.temperature = 0;
  if (!greedy && row.params.temperature == 0 && find("temperature") == nullptr) {
    row.params.temperature = SamplingParams().temperature;
  }
}

std::string_view misspelt_parameter(std::string_view key) {
  return near_miss(key, kParameterNames);
}

}  // namespace eet
