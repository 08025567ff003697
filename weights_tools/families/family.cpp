#include "weights_tools/families/family.h"

#include <algorithm>

#include "weights_tools/families/all.h"

namespace eet {

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

}  // namespace eet
