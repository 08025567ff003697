#include "weights_tools/json_object.h"

#include <cmath>

#include "lib/core/error.h"
#include "lib/files/strict_json.h"

namespace eet {
namespace {

using nlohmann::json;

constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr size_t kMaxShownValue = 80;

const json kNull;

// A value for a message: on one line, shortened.
std::string shown(const json& value) {
  std::string text = text_of_json(value);
  if (text.size() > kMaxShownValue) text = text.substr(0, kMaxShownValue) + "...";
  return text;
}

// Removes the value at "key" or "outer.inner", if there is one.
void erase(json& object, std::string_view key) {
  if (!object.is_object()) return;
  if (object.contains(key)) {
    object.erase(std::string(key));
    return;
  }
  const size_t dot = key.find('.');
  if (dot == std::string_view::npos) return;
  const auto outer = object.find(std::string(key.substr(0, dot)));
  if (outer != object.end()) erase(*outer, key.substr(dot + 1));
}

}  // namespace

json parse_json(std::string_view text, const std::string& where) {
  try {
    return parse_strict_json(text);
  } catch (const JsonError& error) {
    throw Error(concat(where, ": ", error.what(), "; make or fetch the file again"));
  }
}

JsonObject JsonObject::read(const std::filesystem::path& path, const ConfigPolicy& policy,
                            Links links) {
  try {
    json parsed = parse_json(read_regular_file(path, kMaxFileBytes, links), path.string());
    for (const std::string& key : policy.ignored) erase(parsed, key);
    return {std::move(parsed), path.string()};
  } catch (const FileError& error) {
    throw Error(error.what());
  }
}

JsonObject::JsonObject(json object, std::string file, std::string prefix)
    : object_(std::move(object)), file_(std::move(file)), prefix_(std::move(prefix)) {
  require(object_.is_object(), file_, ": ", prefix_, prefix_.empty() ? "" : " ",
          "expected a JSON object, got ", shown(object_));
}

bool JsonObject::has(const std::string& key) const {
  const auto found = object_.find(key);
  return found != object_.end() && !found->is_null();
}

const json& JsonObject::value(const std::string& key) {
  known_.insert(key);
  const auto found = object_.find(key);
  return found == object_.end() ? kNull : *found;
}

const json& JsonObject::required(const std::string& key) {
  const json& found = value(key);
  require(!found.is_null(), file_, ": ", prefix_, key, ": missing");
  return found;
}

int64_t JsonObject::integer(const std::string& key) {
  const json& found = required(key);
  const bool fits = found.is_number_integer() &&
                    !(found.is_number_unsigned() && found.get<uint64_t>() > INT64_MAX);
  if (!fits) refuse(key, "an integer");
  return found.get<int64_t>();
}

int64_t JsonObject::integer_or(const std::string& key, int64_t otherwise) {
  return value(key).is_null() ? otherwise : integer(key);
}

int64_t JsonObject::size(const std::string& key) {
  const int64_t found = integer(key);
  if (found < 1 || found > INT32_MAX) refuse(key, "a positive integer below 2^31");
  return found;
}

int64_t JsonObject::size_or(const std::string& key, int64_t otherwise) {
  return value(key).is_null() ? otherwise : size(key);
}

double JsonObject::number(const std::string& key) {
  const json& found = required(key);
  if (!found.is_number() || !std::isfinite(found.get<double>())) refuse(key, "a number");
  return found.get<double>();
}

double JsonObject::number_or(const std::string& key, double otherwise) {
  return value(key).is_null() ? otherwise : number(key);
}

bool JsonObject::boolean(const std::string& key) {
  const json& found = required(key);
  if (!found.is_boolean()) refuse(key, "true or false");
  return found.get<bool>();
}

bool JsonObject::boolean_or(const std::string& key, bool otherwise) {
  return value(key).is_null() ? otherwise : boolean(key);
}

std::string JsonObject::string(const std::string& key) {
  const json& found = required(key);
  if (!found.is_string()) refuse(key, "a string");
  return found.get<std::string>();
}

std::string JsonObject::string_or(const std::string& key, const std::string& otherwise) {
  return value(key).is_null() ? otherwise : string(key);
}

JsonObject JsonObject::object(const std::string& key) {
  const json& found = required(key);
  if (!found.is_object()) refuse(key, "an object");
  return {found, file_, prefix_ + key + "."};
}

void JsonObject::ignore(std::initializer_list<const char*> keys) {
  known_.insert(keys.begin(), keys.end());
}

void JsonObject::expect(const std::string& key, const json& understood) {
  const json& found = value(key);
  if (!found.is_null() && found != understood) refuse(key, shown(understood));
}

void JsonObject::refuse_unknown_keys() const {
  for (const auto& [key, found] : object_.items()) {
    require(known_.contains(key) || found.is_null(), file_, ": ", prefix_, key,
            ": unknown key with value ", shown(found),
            "; its effect on the model is not known, so the model is refused");
  }
}

void JsonObject::settle_unknown_keys(const ConfigPolicy& policy,
                                     std::vector<std::string>& warnings) const {
  std::string unknown;
  for (const auto& [key, found] : object_.items()) {
    if (known_.contains(key) || found.is_null()) continue;
    const KeyMeaning meaning = meaning_of_key(key);
    if (meaning == KeyMeaning::kHarmless) continue;
    require(meaning == KeyMeaning::kUnknown && !policy.strict, file_, ": ", prefix_, key,
            ": unknown key with value ", shown(found),
            "; it may change what the model computes, so the model is refused; --ignore-config ",
            prefix_, key, " runs it as if the key were absent");
    unknown += concat(unknown.empty() ? "" : ", ", key);
  }
  if (unknown.empty()) return;
  warnings.push_back(concat(file_, ": keys without a known meaning are ignored: ", unknown,
                            " (--strict-config refuses them)"));
}

void JsonObject::refuse(const std::string& key, const std::string& expected) const {
  const auto found = object_.find(key);
  throw Error(concat(file_, ": ", prefix_, key, ": expected ", expected, ", got ",
                     found == object_.end() ? "nothing" : shown(*found)));
}

}  // namespace eet
