#include "weights_tools/families.h"

#include <algorithm>

namespace eet {
namespace {

constexpr const Family* kFamilies[] = {&kGpt2Family, &kLlamaFamily};

}  // namespace

const Family* find_family(std::string_view model_type) {
  for (const Family* family : kFamilies) {
    const auto& types = family->model_types;
    if (std::find(types.begin(), types.end(), model_type) != types.end()) return family;
  }
  return nullptr;
}

std::string known_model_types() {
  std::string list;
  for (const Family* family : kFamilies) {
    for (std::string_view type : family->model_types) {
      if (!list.empty()) list += ", ";
      list += type;
    }
  }
  return list;
}

bool matches_numbered(std::string_view text, std::string_view pattern) {
  for (char expected : pattern) {
    if (text.empty()) return false;
    if (expected == '#') {
      const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
      if (digits == 0) return false;
      text.remove_prefix(digits);
    } else {
      if (text.front() != expected) return false;
      text.remove_prefix(1);
    }
  }
  return text.empty();
}

}  // namespace eet
