#include "app/job/request_reader.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>

#include "app/job/json_members.h"

namespace eet {
namespace {

using nlohmann::json;

// A value for a message, cut short.
std::string shown(std::string_view raw) {
  constexpr size_t kMaxBytes = 60;
  return raw.size() <= kMaxBytes ? std::string(raw) : concat(raw.substr(0, kMaxBytes), "...");
}

// A known field of a row: its name for messages and what it holds.
struct Field {
  std::string_view name;
  std::string_view raw;
  json value;

  [[noreturn]] void reject(const char* code, std::string_view expected) const {
    throw BadRow({code, concat(name, ": expected ", expected, ", got ", shown(raw))});
  }
  [[noreturn]] void reject(std::string_view expected) const {
    reject("invalid_parameter", expected);
  }
};

bool fits_int32(const json& value) {
  using Limits = std::numeric_limits<int32_t>;
  if (value.is_number_unsigned()) return value.get<uint64_t>() <= uint64_t{Limits::max()};
  return value.is_number_integer() && value.get<int64_t>() >= Limits::min();
}

void assign(int32_t& out, const Field& field) {
  if (!fits_int32(field.value)) field.reject("a 32-bit integer");
  out = field.value.get<int32_t>();
}

void assign(float& out, const Field& field) {
  if (!field.value.is_number()) field.reject("a number");
  const double number = field.value.get<double>();
  if (std::abs(number) > std::numeric_limits<float>::max()) field.reject("a 32-bit float");
  out = static_cast<float>(number);
}

void assign(bool& out, const Field& field) {
  if (!field.value.is_boolean()) field.reject("true or false");
  out = field.value.get<bool>();
}

void assign(std::optional<uint64_t>& out, const Field& field) {
  if (!field.value.is_number_unsigned()) field.reject("an integer from 0 to 2^64 - 1");
  out = field.value.get<uint64_t>();
}

void assign(std::vector<int32_t>& out, const Field& field) {
  if (!field.value.is_array()) field.reject("a list of token ids");
  out.clear();
  for (const json& id : field.value) {
    if (!fits_int32(id)) field.reject("a list of 32-bit integers");
    out.push_back(id.get<int32_t>());
  }
}

void assign(std::vector<std::string>& out, const Field& field) {
  constexpr std::string_view kExpected = "a string or a list of strings, none of them empty";
  const auto check = [&](const json& stop) {
    if (!stop.is_string() || stop.get_ref<const std::string&>().empty()) field.reject(kExpected);
  };
  if (!field.value.is_array()) {
    check(field.value);
    out = {field.value.get<std::string>()};
    return;
  }
  for (const json& stop : field.value) check(stop);
  out = field.value.get<std::vector<std::string>>();
}

using Setter = void (*)(InputRow&, const Field&);

template <auto kMember>
void set_param(InputRow& row, const Field& field) {
  assign(row.params.*kMember, field);
}

void set_stop(InputRow& row, const Field& field) {
  assign(row.stop, field);
}

void set_prompt(InputRow& row, const Field& field) {
  if (!field.value.is_string()) field.reject("invalid_prompt", "a string");
  row.prompt = field.value.get<std::string>();
}

void set_prompt_ids(InputRow& row, const Field& field) {
  if (!field.value.is_array()) field.reject("invalid_prompt", "a list of token ids");
  row.prompt_ids.reserve(field.value.size());
  for (const json& id : field.value) {
    if (!fits_int32(id)) {
      throw BadRow({"invalid_prompt", concat(field.name, "[", row.prompt_ids.size(),
                                             "]: expected a token id, got ", shown(id.dump()))});
    }
    row.prompt_ids.push_back(id.get<int32_t>());
  }
}

struct KnownField {
  std::string_view name;
  Setter set;
};

constexpr KnownField kKnownFields[] = {
    {"prompt", set_prompt},
    {"prompt_token_ids", set_prompt_ids},
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
};

// Parameters of peers that this program does not have, and the value with which leaving them out
// changes nothing. Passing them through in silence would give the wrong completion.
struct UnsupportedParameter {
  std::string_view name;
  std::string_view neutral;  // JSON text; null is always neutral
};

constexpr UnsupportedParameter kUnsupported[] = {
    {"n", "1"},
    {"best_of", "1"},
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
    {"messages", "null"},
    {"tools", "[]"},
    {"response_format", R"({"type":"text"})"},
    {"guided_json", "null"},
    {"guided_regex", "null"},
    {"guided_grammar", "null"},
    {"prompt_logprobs", "null"},
    {"top_logprobs", "0"},
    {"include_stop_str_in_output", "false"},
};

constexpr std::string_view kOutputFields[] = {"text",          "token_ids", "logprobs",
                                              "finish_reason", "usage",     "error"};

template <typename Entry, size_t kSize>
const Entry* find_by_name(const Entry (&entries)[kSize], std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

bool passes_through(std::string_view key) {
  if (key == "id" || key == "echo") return false;
  for (const std::string_view field : kOutputFields) {
    if (key == field) return false;
  }
  return find_by_name(kKnownFields, key) == nullptr && find_by_name(kUnsupported, key) == nullptr;
}

void check_neutral(const Field& field, const json& neutral) {
  if (field.value == neutral) return;
  const std::string expected = neutral.is_null() ? "nothing" : neutral.dump();
  field.reject("unsupported_parameter", "(as nothing else is supported) " + expected);
}

// Takes the row's id and what passes through, so that also a row that turns out bad has them.
void take_identity(InputRow& row, std::span<const JsonMember> members) {
  for (const JsonMember& member : members) {
    if (passes_through(member.key)) {
      row.extra.append(",").append(member.raw_key).append(":").append(member.raw_value);
    }
    if (member.key != "id" || member.raw_value == "null") continue;
    const char first = member.raw_value.front();
    if (first != '"' && first != '-' && (first < '0' || first > '9')) {
      throw BadRow({"invalid_id",
                    concat("id: expected a string or a number, got ", shown(member.raw_value))});
    }
    row.id = member.raw_value;
  }
}

// A row may say max_tokens under one of its names only: two could contradict each other.
void check_max_tokens_once(std::span<const JsonMember> members) {
  std::string_view first;
  for (const JsonMember& member : members) {
    if (member.raw_value == "null") continue;
    const KnownField* known = find_by_name(kKnownFields, member.key);
    if (known == nullptr || known->set != Setter{set_param<&SamplingParams::max_tokens>}) continue;
    if (!first.empty()) {
      throw BadRow({"invalid_parameter",
                    concat(first, " and ", member.key, " are the same parameter: give one")});
    }
    first = known->name;
  }
}

void take_fields(InputRow& row, std::span<const JsonMember> members, const RowDefaults& defaults) {
  bool has_ids = false;
  for (const JsonMember& member : members) {
    if (member.raw_value == "null") continue;
    const auto parse = [&] {
      return Field{member.key, member.raw_value, json::parse(member.raw_value)};
    };
    if (const KnownField* known = find_by_name(kKnownFields, member.key)) {
      known->set(row, parse());
      has_ids |= known->set == Setter{set_prompt_ids};
    } else if (const UnsupportedParameter* other = find_by_name(kUnsupported, member.key)) {
      check_neutral(parse(), json::parse(other->neutral));
    } else if (member.key == "logprobs") {
      check_neutral(parse(), defaults.logprobs);
    } else if (member.key == "echo") {
      check_neutral(parse(), defaults.echo);
    }
  }
  if (has_ids) {
    row.prompt.reset();
  } else if (!row.prompt) {
    throw BadRow({"missing_prompt", "expected a field prompt or prompt_token_ids, got neither"});
  }
}

}  // namespace

void InputRow::fail(RowError reason) {
  reason.message = concat("line ", line, ": ", reason.message);
  error = std::move(reason);
}

InputRow parse_row(std::string_view text, uint64_t line_number, const RowDefaults& defaults) {
  InputRow row;
  row.line = line_number;
  row.id = std::to_string(line_number);
  row.params = defaults.params;
  row.stop = defaults.stop;
  try {
    const std::vector<JsonMember> members = split_members(text);
    take_identity(row, members);
    check_max_tokens_once(members);
    take_fields(row, members, defaults);
  } catch (const BadRow& bad) {
    row.fail(bad.row_error());
  }
  return row;
}

RequestReader::RequestReader(const std::string& path, RowDefaults defaults, size_t max_line_bytes)
    : lines_(path, max_line_bytes),
      defaults_(std::move(defaults)),
      max_line_bytes_(max_line_bytes) {}

std::optional<InputRow> RequestReader::next() {
  constexpr std::string_view kWhiteSpace = " \t\r";
  std::optional<Line> line = lines_.next();
  while (line && !line->too_long &&
         line->text.find_first_not_of(kWhiteSpace) == std::string_view::npos) {
    line = lines_.next();
  }
  if (!line) return std::nullopt;

  // A line too long to hold is parsed as an empty object, for the defaults of a row.
  InputRow row = parse_row(line->too_long ? "{}" : line->text, line->number, defaults_);
  if (line->too_long) {
    row.fail({"line_too_long",
              concat("expected at most ", max_line_bytes_, " bytes, got ", line->bytes)});
  }
  row.row = rows_++;
  row.input_bytes = line->bytes;
  return row;
}

}  // namespace eet
