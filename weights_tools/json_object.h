// Strict reading of the small JSON files around a model: every key must be asked for or declared
// ignorable, so that nothing is silently misunderstood.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/files/regular_file.h"
#include "weights_tools/config_policy.h"

namespace eet {

// Parses `text`; `where` names it in messages. Refuses, besides malformed JSON, duplicate keys and
// nesting deeper than 64 levels (the files read here have at most four) and more values than any
// model has. Time is linear in the text. Throws Error.
nlohmann::json parse_json(std::string_view text, const std::string& where);

// One JSON object whose keys are ticked off as they are read. An absent key and a null value mean
// the same. Messages read `config.json: rope_scaling.factor: expected a number, got "two"`.
class JsonObject {
 public:
  // Reads and parses `path`, at most 64 MiB. Throws Error unless it holds an object. Keys that the
  // policy ignores are read as if they were absent.
  static JsonObject read(const std::filesystem::path& path, const ConfigPolicy& policy = {},
                         Links links = Links::kInsideFolder);

  JsonObject(nlohmann::json object, std::string file, std::string prefix = "");

  bool has(const std::string& key) const;
  bool contains(const std::string& key) const { return object_.contains(key); }  // null counts
  int64_t integer(const std::string& key);
  int64_t integer_or(const std::string& key, int64_t otherwise);
  // An integer in [1, 2^31): small enough that products of two cannot overflow.
  int64_t size(const std::string& key);
  int64_t size_or(const std::string& key, int64_t otherwise);
  double number(const std::string& key);
  double number_or(const std::string& key, double otherwise);
  bool boolean(const std::string& key);
  bool boolean_or(const std::string& key, bool otherwise);
  std::string string(const std::string& key);
  std::string string_or(const std::string& key, const std::string& otherwise);
  JsonObject object(const std::string& key);
  // The value as it is, null when absent.
  const nlohmann::json& value(const std::string& key);

  // `key` has no meaning to the runtime, whatever its value.
  void ignore(std::initializer_list<const char*> keys);
  // `key` is understood only when absent, null or `understood`.
  void expect(const std::string& key, const nlohmann::json& understood);
  // Throws Error naming the first key, and its value, that was neither read nor ignored.
  void refuse_unknown_keys() const;
  // For configurations that others write: of the keys that were neither read nor ignored, those
  // without a value and harmless ones pass, those that may change what is computed are refused, and
  // those of unknown meaning are named in one warning, or refused where the policy is strict.
  void settle_unknown_keys(const ConfigPolicy& policy, std::vector<std::string>& warnings) const;
  // Throws the Error for a value that is not understood.
  [[noreturn]] void refuse(const std::string& key, const std::string& expected) const;

  const std::string& file() const { return file_; }

 private:
  const nlohmann::json& required(const std::string& key);

  nlohmann::json object_;
  std::string file_;
  std::string prefix_;
  std::set<std::string> known_;
};

}  // namespace eet
