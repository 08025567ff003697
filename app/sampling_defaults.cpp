#include "app/sampling_defaults.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "app/job/input/row_parameters.h"
#include "lib/core/error.h"
#include "lib/files/strict_json.h"
#include "tokenizer/json_view.h"

namespace eet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kName = "generation_config.json";

// The file to read; nothing where there is none.
std::optional<fs::path> find_file(const fs::path& model, const std::string& source) {
  if (source == "none") return std::nullopt;
  const fs::path place = source == "auto" ? model : fs::path(source);
  const bool is_file = source != "auto" && fs::is_regular_file(place);
  const fs::path directory = fs::is_directory(place) ? place : place.parent_path();
  fs::path file = is_file ? place : directory / kName;
  // A pipe or a link to nothing is there, too: reading it says what is wrong with it.
  if (fs::exists(fs::symlink_status(file))) return file;
  require(source == "auto", source, ": expected a ", kName,
          " or a directory with one, got neither");
  return std::nullopt;
}

class Reader {
 public:
  Reader(const json& values, std::string file) : values_(values), file_(std::move(file)) {}

  std::optional<float> real(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number() || !std::isfinite(value->get<double>())) fail(key, "a number", *value);
    return value->get<float>();
  }
  std::optional<int32_t> integer(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    const std::optional<int32_t> number = as_int32(*value);
    if (!number) fail(key, "a 32-bit integer", *value);
    return number;
  }
  std::optional<bool> truth(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) fail(key, "true or false", *value);
    return value->get<bool>();
  }

 private:
  const json* find(const char* key) const {
    const auto found = values_.find(key);
    return found == values_.end() || found->is_null() ? nullptr : &*found;
  }
  [[noreturn]] void fail(const char* key, const char* expected, const json& value) const {
    throw Error(concat(file_, ": ", key, ": expected ", expected, ", got ",
                       shown(text_of_json(value)),
                       "; --generation-config none leaves the file out"));
  }

  const json& values_;
  std::string file_;
};

// Names with their values.
std::string joined(const std::vector<std::string>& values) {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += i + 1 == values.size() ? " and " : ", ";
    text += values[i];
  }
  return text;
}

struct Assigner {
  const std::set<std::string>& set_by_flag;
  std::vector<std::string> from_flags;
  std::vector<std::string> from_file;

  template <typename T>
  void set(const char* name, T& param, const std::optional<T>& value) {
    if (set_by_flag.contains(name)) {
      from_flags.push_back(concat(name, " ", param));
    } else if (value && *value != param) {
      param = *value;
      from_file.push_back(concat(name, " ", param));
    }
  }
};

}  // namespace

std::string apply_generation_config(SamplingParams& params,
                                    const std::set<std::string>& set_by_flag, const fs::path& model,
                                    const std::string& source) {
  json document = json::object();
  std::string name;
  if (const std::optional<fs::path> file = find_file(model, source)) {
    name = file->string();
    document = read_json_file(*file);
    require(document.is_object(), name, ": expected a JSON object");
  }
  const Reader file(document, name);
  std::optional<float> temperature = file.real("temperature");
  if (file.truth("do_sample") == false) temperature = 0.0F;
  Assigner assign{set_by_flag, {}, {}};
  assign.set("max_tokens", params.max_tokens, file.integer("max_new_tokens"));
  assign.set("min_tokens", params.min_tokens, file.integer("min_new_tokens"));
  assign.set("temperature", params.temperature, temperature);
  assign.set("top_k", params.top_k, file.integer("top_k"));
  assign.set("top_p", params.top_p, file.real("top_p"));
  assign.set("min_p", params.min_p, file.real("min_p"));
  assign.set("repetition_penalty", params.repetition_penalty, file.real("repetition_penalty"));
  assign.set("presence_penalty", params.presence_penalty, std::optional<float>());
  assign.set("frequency_penalty", params.frequency_penalty, std::optional<float>());
  std::string text = joined(assign.from_flags);
  if (!text.empty()) text += assign.from_flags.size() > 1 ? " (flags)" : " (flag)";
  if (!assign.from_file.empty()) {
    text += concat(text.empty() ? "" : ", ", joined(assign.from_file), " (generation_config)");
  }
  return text;
}

}  // namespace eet
