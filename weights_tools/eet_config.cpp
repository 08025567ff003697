#include "weights_tools/eet_config.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>

#include "lib/core/error.h"
#include "lib/model/fields.h"
#include "weights_tools/json_object.h"

namespace eet {
namespace {

// A change of meaning of any key, or a new key, is a new version.
constexpr int64_t kFormatVersion = 3;

using Json = nlohmann::ordered_json;

template <typename T>
Json to_json(const T& value);
template <typename T>
Json to_json(const std::optional<T>& value);
template <typename T>
Json to_json(const std::vector<T>& values);

// Every member of a structure under its name.
template <typename T>
Json fields_to_json(const T& fields) {
  Json json = Json::object();
  visit_fields(fields, [&](const char* name, const auto& member) { json[name] = to_json(member); });
  return json;
}

template <typename T>
Json to_json(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    for (const auto& [word, meaning] : EnumWords<T>::kWords) {
      if (meaning == value) return word;
    }
    throw Error(concat(kEetConfigFile, ": a value has no word"));
  } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return value;
  } else {
    return fields_to_json(value);
  }
}
template <typename T>
Json to_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
template <typename T>
Json to_json(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(to_json(value));
  return list;
}

// Reads the members of structures under their names; refuses missing, unknown and unfit ones.
class FieldReader {
 public:
  explicit FieldReader(JsonObject& json) : json_(json) {}

  void operator()(const char* name, int64_t& value) { value = json_.integer(name); }
  void operator()(const char* name, double& value) { value = json_.number(name); }
  void operator()(const char* name, bool& value) { value = json_.boolean(name); }
  void operator()(const char* name, std::string& value) { value = json_.string(name); }

  template <typename Value>
  requires std::is_enum_v<Value>
  void operator()(const char* name, Value& value) {
    const std::string text = json_.string(name);
    std::string known;
    for (const auto& [word, meaning] : EnumWords<Value>::kWords) {
      if (text == word) {
        value = meaning;
        return;
      }
      known += concat(known.empty() ? "" : ", ", word);
    }
    json_.refuse(name, "one of " + known);
  }

  void operator()(const char* name, std::optional<int32_t>& value) {
    const nlohmann::json& found = json_.value(name);
    if (found.is_null()) return;
    value = read_int<int32_t>(name, found);
  }

  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void operator()(const char* name, std::vector<Number>& values) {
    for (const auto& found : list(name)) {
      if constexpr (std::is_integral_v<Number>) {
        values.push_back(read_int<Number>(name, found));
      } else {
        if (!found.is_number()) json_.refuse(name, "numbers");
        values.push_back(found.template get<Number>());
      }
    }
  }

  template <typename Struct>
  requires std::is_class_v<Struct>
  void operator()(const char* name, std::vector<Struct>& values) {
    size_t i = 0;
    for (const auto& found : list(name)) {
      if (!found.is_object()) json_.refuse(name, "objects");
      JsonObject object(found, json_.file(), concat(name, '[', i++, "]."));
      read(object, values.emplace_back());
    }
  }

  template <typename Struct>
  requires std::is_class_v<Struct>
  void operator()(const char* name, Struct& value) {
    JsonObject object = json_.object(name);
    read(object, value);
  }

 private:
  template <typename Struct>
  static void read(JsonObject& object, Struct& value) {
    visit_fields(value, FieldReader(object));
    object.refuse_unknown_keys();
  }

  const nlohmann::json& list(const char* name) {
    const nlohmann::json& found = json_.value(name);
    if (!found.is_array()) json_.refuse(name, "a list");
    return found;
  }

  template <typename Number>
  Number read_int(const char* name, const nlohmann::json& found) {
    const bool fits = found.is_number_integer() && found >= 0 && found <= INT32_MAX;
    if (!fits) json_.refuse(name, "integers from 0 to 2147483647");
    return found.get<Number>();
  }

  JsonObject& json_;
};

}  // namespace

std::string format_eet_config(const ModelConfig& config) {
  Json json = {{"format_version", kFormatVersion}};
  json.update(fields_to_json(config));
  return json.dump(2) + "\n";
}

ModelConfig read_eet_config(const std::filesystem::path& path) {
  JsonObject json = JsonObject::read(path);
  if (json.integer("format_version") != kFormatVersion) {
    json.refuse("format_version",
                concat(kFormatVersion, " (convert the model again with this version of eet)"));
  }
  ModelConfig config;
  visit_fields(config, FieldReader(json));
  json.refuse_unknown_keys();
  return config;
}

}  // namespace eet
