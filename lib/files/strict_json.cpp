#include "lib/files/strict_json.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace eet {
namespace {

using nlohmann::json;

// Builds the document as the parser walks it. (json::parse with a callback walks over all members
// of an object for each object in it.)
class Builder : public json::json_sax_t {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  json take() { return std::move(root_); }

  bool null() override { return add(nullptr) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return add(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return add(value) != nullptr; }
  bool number_float(number_float_t value, const string_t& /*text*/) override {
    return add(value) != nullptr;
  }
  bool string(string_t& value) override { return add(std::move(value)) != nullptr; }
  bool binary(binary_t& /*value*/) override { return false; }  // JSON text has none
  bool start_object(size_t /*members*/) override { return open(json::object()); }
  bool start_array(size_t /*items*/) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto& object = open_.back()->get_ref<json::object_t&>();
    const auto [member, is_new] = object.try_emplace(std::move(name));
    if (!is_new && limits_.duplicates == DuplicateKeys::kRefuse) {
      throw JsonError("duplicate key \"" + member->first + '"');
    }
    member_ = &member->second;
    return true;
  }

  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    // The message quotes the last token, which may be megabytes long.
    constexpr size_t kMaxShown = 300;
    throw JsonError("malformed JSON: " + std::string(error.what()).substr(0, kMaxShown));
  }

 private:
  // Puts a value where the parser is; gives its place, which stays until its container is closed.
  json* add(json value) {
    if (++values_ > limits_.max_values) {
      throw JsonError("more than " + std::to_string(limits_.max_values) + " values");
    }
    json* place = &root_;
    if (!open_.empty()) {
      place = open_.back()->is_array() ? &open_.back()->emplace_back(nullptr) : member_;
    }
    *place = std::move(value);
    return place;
  }

  bool open(json container) {
    open_.push_back(add(std::move(container)));
    if (open_.size() > static_cast<size_t>(limits_.max_depth)) {
      throw JsonError("nested deeper than " + std::to_string(limits_.max_depth) + " levels");
    }
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const JsonLimits& limits_;
  json root_;
  std::vector<json*> open_;  // the containers around the parser's place
  json* member_ = nullptr;   // of the innermost object, whose value comes next
  size_t values_ = 0;
};

}  // namespace

json parse_strict_json(std::string_view text, const JsonLimits& limits) {
  Builder builder(limits);
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace eet
