#include "lib/files/strict_json.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eet {
namespace {

using nlohmann::json;

// What Python's json writes for numbers that JSON does not have, and what stands for it in a text
// that JSON's parser is to read: written as no program writes a number.
struct Word {
  std::string_view word;
  std::string_view number;
  double value;
};
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Word kWords[] = {{"NaN", "0e-00009", std::numeric_limits<double>::quiet_NaN()},
                           {"Infinity", "1e-00009", kInfinity},
                           {"-Infinity", "-1e-00009", -kInfinity}};

// `text` with numbers in the place of those words, outside strings.
std::string without_words(std::string_view text) {
  std::string numbers;
  bool in_string = false;
  for (size_t at = 0; at < text.size();) {
    const auto found = std::ranges::find_if(
        kWords, [&](const Word& word) { return text.substr(at).starts_with(word.word); });
    if (!in_string && found != std::end(kWords)) {
      numbers.append(" ").append(found->number).append(" ");  // what it touches stays apart
      at += found->word.size();
      continue;
    }
    if (text[at] == '"') in_string = !in_string;
    const size_t taken = in_string && text[at] == '\\' ? 2 : 1;
    numbers += text.substr(at, taken);
    at += taken;
  }
  return numbers;
}

double value_of(double value, std::string_view text) {
  const auto found =
      std::ranges::find_if(kWords, [&](const Word& word) { return text == word.number; });
  return found == std::end(kWords) ? value : found->value;
}

// Builds the document as the parser walks it. (json::parse with a callback walks over all members
// of an object for each object in it.)
class Builder : public json::json_sax_t {
 public:
  // `has_words`: numbers stand for the words above.
  Builder(const JsonLimits& limits, bool has_words) : limits_(limits), has_words_(has_words) {}

  json take() { return std::move(root_); }

  bool null() override { return add(nullptr) != nullptr; }
  bool boolean(bool value) override { return add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return add(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return add(value) != nullptr; }
  bool number_float(number_float_t value, const string_t& text) override {
    return add(has_words_ ? value_of(value, text) : value) != nullptr;
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
    // "[json.exception.parse_error.101] parse error at line 1, column 7: <what a reader needs>",
    // with the last token, which may be megabytes long.
    constexpr size_t kMaxShown = 300;
    std::string_view message = error.what();
    if (const size_t end = message.find("] "); end != std::string_view::npos) {
      message.remove_prefix(end + 2);
    }
    throw JsonError("malformed JSON: " + std::string(message.substr(0, kMaxShown)));
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
  const bool has_words_;
  json root_;
  std::vector<json*> open_;  // the containers around the parser's place
  json* member_ = nullptr;   // of the innermost object, whose value comes next
  size_t values_ = 0;
};

json parse(std::string_view text, const JsonLimits& limits, bool has_words) {
  Builder builder(limits, has_words);
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace

std::string text_of_json(const json& value) {
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  }
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json parse_strict_json(std::string_view text, const JsonLimits& limits) {
  try {
    return parse(text, limits, /*has_words=*/false);
  } catch (const JsonError&) {
    // Rare: text without such words is not looked through for them.
    const std::string numbers = without_words(text);
    if (numbers == text) throw;
    return parse(numbers, limits, /*has_words=*/true);
  }
}

}  // namespace eet
