#include "tokenizer/jinja/json_text.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tokenizer/jinja/python_text.h"
#include "tokenizer/utf8.h"

namespace eet::jinja {
namespace {

void append_unicode_escape(std::string& out, char32_t unit) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[unit >> shift & 0xF];
}

void append_quoted(TextBuilder& quoted, std::string_view text, bool ensure_ascii) {
  constexpr size_t kPieceBytes = 4096;  // the whole may be several times as long as the text
  constexpr std::string_view kEscaped = "\"\\\n\r\t\f\b";
  constexpr std::string_view kLetters = "\"\\nrtfb";
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const char32_t character = next_code_point(text, at);
    const size_t known =
        character < 0x80 ? kEscaped.find(static_cast<char>(character)) : std::string_view::npos;
    if (known != std::string_view::npos) {
      out += '\\';
      out += kLetters[known];
    } else if (character >= 0x10000 && ensure_ascii) {
      append_unicode_escape(out, 0xD800 + ((character - 0x10000) >> 10));
      append_unicode_escape(out, 0xDC00 + ((character - 0x10000) & 0x3FF));
    } else if (character < 0x20 || (ensure_ascii && character >= 0x7F)) {
      append_unicode_escape(out, character);
    } else {
      append_code_point(out, character);
    }
    if (out.size() < kPieceBytes) continue;
    quoted.append(out);
    out.clear();
  }
  quoted.append(out + '"');
}

class JsonWriter {
 public:
  JsonWriter(Budget& budget, const JsonStyle& style)
      : budget_(budget), style_(style), out_(budget) {}

  std::string write(const Value& value) {
    append(value, 0);
    return out_.take();
  }

 private:
  void append(const Value& value, int level) {
    const Sequence* sequence = value.sequence();
    if (value.is_none()) {
      out_.append("null");
    } else if (const bool* flag = value.boolean()) {
      out_.append(*flag ? "true" : "false");
    } else if (const double* real = value.real()) {
      append_real(*real);
    } else if (value.integer() != nullptr) {
      append_repr(out_, value);
    } else if (const std::string* text = value.text()) {
      append_quoted(out_, *text, style_.ensure_ascii);
    } else if (const Dict* dict = value.dict()) {
      append_dict(*dict, level);
    } else if (sequence != nullptr && (sequence->kind() == Sequence::Kind::kList ||
                                       sequence->kind() == Sequence::Kind::kTuple)) {
      append_list(*sequence, level);
    } else {
      refuse(value, "written as JSON");
    }
  }

  void append_real(double real) {
    if (std::isnan(real)) return out_.append("NaN");
    if (std::isinf(real)) return out_.append(real < 0 ? "-Infinity" : "Infinity");
    out_.append(repr(real));
  }

  void append_list(const Sequence& list, int level) {
    if (list.items().empty()) return out_.append("[]");
    out_.append("[");
    for (size_t i = 0; i < list.items().size(); ++i) {
      begin_item(i == 0, level + 1);
      append(list.items()[i], level + 1);
    }
    break_line(level);
    out_.append("]");
  }

  void append_dict(const Dict& dict, int level) {
    if (dict.entries().empty()) return out_.append("{}");
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::sort(entries.begin(), entries.end(),
                [](const auto* one, const auto* other) { return one->first < other->first; });
    }
    out_.append("{");
    for (const Dict::Entry* entry : entries) {
      begin_item(entry == entries.front(), level + 1);
      append_quoted(out_, entry->first, style_.ensure_ascii);
      out_.append(style_.key_separator);
      append(entry->second, level + 1);
    }
    break_line(level);
    out_.append("}");
  }

  void begin_item(bool is_first, int level) {
    budget_.spend_steps();
    if (!is_first) out_.append(style_.item_separator);
    break_line(level);
  }

  void break_line(int level) {
    if (!style_.indent) return;
    out_.append("\n");
    for (int i = 0; i < level; ++i) out_.append(*style_.indent);
  }

  Budget& budget_;
  const JsonStyle& style_;
  TextBuilder out_;
};

const std::string& checked(const std::string& text) {
  if (!is_utf8(text)) throw Error("a string that is not UTF-8");
  return text;
}

Value from_json_at(const nlohmann::ordered_json& json, int depth) {
  using Type = nlohmann::ordered_json::value_t;
  if (depth > kMaxValueDepth) throw Error("lists or dicts are nested too deeply");
  switch (json.type()) {
    case Type::boolean:
      return Value(json.get<bool>());
    case Type::number_integer:
      return Value(json.get<int64_t>());
    case Type::number_unsigned:
      if (json.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
        throw Error("an integer beyond 64 bits");
      }
      return Value(json.get<int64_t>());
    case Type::number_float:
      return Value(json.get<double>());
    case Type::string:
      return Value(checked(json.get_ref<const std::string&>()));
    case Type::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const auto& item : json) items.push_back(from_json_at(item, depth + 1));
      return Value(Sequence(Sequence::Kind::kList, std::move(items)));
    }
    case Type::object: {
      std::vector<Dict::Entry> entries;
      entries.reserve(json.size());
      for (const auto& [key, value] : json.items()) {
        entries.emplace_back(checked(key), from_json_at(value, depth + 1));
      }
      return Value(Dict(std::move(entries)));
    }
    default:
      return {};
  }
}

}  // namespace

Value from_json(const nlohmann::ordered_json& json) {
  return from_json_at(json, 1);
}

std::string to_json(Budget& budget, const Value& value, const JsonStyle& style) {
  return JsonWriter(budget, style).write(value);
}

}  // namespace eet::jinja
