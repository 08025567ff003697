#include "app/job/input/row_parameters.h"

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "app/job/input/row_limits.h"

namespace eet {
namespace {

using nlohmann::json;

constexpr const char* kInvalid = "invalid_parameter";

void assign(int32_t& out, const Field& field) {
  if (!fits_int32(field.value())) field.reject(kInvalid, "a 32-bit integer");
  out = field.value().get<int32_t>();
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
  if (!field.value().is_number_unsigned()) {
    field.reject(kInvalid, "an integer from 0 to 2^64 - 1");
  }
  out = field.value().get<uint64_t>();
}

void assign(std::vector<int32_t>& out, const Field& field) {
  if (!field.value().is_array()) field.reject(kInvalid, "a list of token ids");
  out.clear();
  for (const json& id : field.value()) {
    if (!fits_int32(id)) field.reject(kInvalid, "a list of 32-bit integers");
    out.push_back(id.get<int32_t>());
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

struct Parameter {
  std::string_view name;
  Setter set;
};

constexpr Parameter kParameters[] = {
    {"max_tokens", set_param<&SamplingParams::max_tokens>},
    {"max_new_tokens", set_param<&SamplingParams::max_tokens>},
    {"max_completion_tokens", set_param<&SamplingParams::max_tokens>},
    {"min_tokens", set_param<&SamplingParams::min_tokens>},
    {"temperature", set_param<&SamplingParams::temperature>},
    {"top_k", set_param<&SamplingParams::top_k>},
    {"top_p", set_param<&SamplingParams::top_p>},
    {"min_p", set_param<&SamplingParams::min_p>},
    {"repetition_penalty", set_param<&SamplingParams::repetition_penalty>},
    {"presence_penalty", set_param<&SamplingParams::presence_penalty>},
    {"frequency_penalty", set_param<&SamplingParams::frequency_penalty>},
    {"seed", set_param<&SamplingParams::seed>},
    {"stop", set_stop},
    {"stop_token_ids", set_param<&SamplingParams::stop_token_ids>},
    {"ignore_eos", set_param<&SamplingParams::ignore_eos>},
    {"n", set_param<&SamplingParams::n>},
    {"best_of", set_param<&SamplingParams::best_of>},
};

// Parameters of peers that this program does not have, and the value with which leaving them out
// changes nothing. Passing them through in silence would give the wrong completion.
struct UnsupportedParameter {
  std::string_view name;
  std::string_view neutral;  // JSON text; null is always neutral
};

constexpr UnsupportedParameter kUnsupported[] = {
    {"num_beams", "1"},
    {"num_return_sequences", "1"},
    {"use_beam_search", "false"},
    {"length_penalty", "1"},
    {"stream", "false"},
    {"logit_bias", "{}"},
    {"bad_words", "[]"},
    {"no_repeat_ngram_size", "0"},
    {"typical_p", "1"},
    {"suffix", "\"\""},
    {"tools", "[]"},
    {"tool_choice", "\"none\""},
    {"chat_template", "null"},
    {"chat_template_kwargs", "{}"},
    {"add_generation_prompt", "true"},
    {"continue_final_message", "false"},
    {"lora_request", "null"},
    {"response_format", R"({"type":"text"})"},
    {"guided_json", "null"},
    {"guided_regex", "null"},
    {"guided_grammar", "null"},
    {"prompt_logprobs", "null"},
    {"top_logprobs", "0"},
    {"include_stop_str_in_output", "false"},
};

template <typename Entry, size_t kSize>
const Entry* find_by_name(const Entry (&entries)[kSize], std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

void check_neutral(const Field& field, const json& neutral) {
  if (field.value() == neutral) return;
  const std::string expected = neutral.is_null() ? "nothing" : neutral.dump();
  field.reject("unsupported_parameter", "(as nothing else is supported) " + expected);
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

bool fits_int32(const json& value) {
  using Limits = std::numeric_limits<int32_t>;
  if (value.is_number_unsigned()) return value.get<uint64_t>() <= uint64_t{Limits::max()};
  return value.is_number_integer() && value.get<int64_t>() >= Limits::min();
}

Field::Field(const JsonMember& member)
    : name_(without_quotes(member.raw_key)),
      raw_(member.raw_value),
      value_((check_value_size(name_, raw_), json::parse(raw_))) {}

void Field::reject(const char* code, std::string_view expected) const {
  throw BadRow({code, concat(name_, ": expected ", expected, ", got ", shown(raw_))});
}

bool is_parameter(std::string_view key) {
  return key == "logprobs" || key == "echo" || find_by_name(kParameters, key) != nullptr ||
         find_by_name(kUnsupported, key) != nullptr;
}

bool is_text_parameter(std::string_view key) {
  return key == "stop";
}

bool take_parameter(InputRow& row, const JsonMember& member, const RowDefaults& defaults) {
  const std::string_view key = member.key;
  if (const Parameter* parameter = find_by_name(kParameters, key)) {
    if (!is_null(member)) parameter->set(row, Field(member));
  } else if (const UnsupportedParameter* other = find_by_name(kUnsupported, key)) {
    if (!is_null(member)) check_neutral(Field(member), json::parse(other->neutral));
  } else if (key == "logprobs") {
    if (!is_null(member)) check_neutral(Field(member), defaults.logprobs);
  } else if (key == "echo") {
    if (!is_null(member)) check_neutral(Field(member), defaults.echo);
  } else {
    return false;
  }
  return true;
}

void check_max_tokens_once(std::span<const JsonMember> members) {
  const JsonMember* first = nullptr;
  for (const JsonMember& member : members) {
    if (is_null(member)) continue;
    const Parameter* parameter = find_by_name(kParameters, member.key);
    if (parameter == nullptr || parameter->set != Setter{set_param<&SamplingParams::max_tokens>}) {
      continue;
    }
    if (first != nullptr) {
      throw BadRow(
          {kInvalid, concat(without_quotes(first->raw_key), " and ", without_quotes(member.raw_key),
                            " are the same parameter: give one")});
    }
    first = &member;
  }
}

}  // namespace eet
