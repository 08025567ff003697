#include "app/job/input/input_format.h"

#include <algorithm>
#include <filesystem>

namespace eet {
namespace {

std::string lowered_extension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return extension;
}

}  // namespace

InputFormat format_of_name(std::string_view path) {
  std::filesystem::path name(path);
  const std::string last = lowered_extension(name);
  if (last == ".gz" || last == ".xz" || last == ".zst") name.replace_extension();
  const std::string extension = lowered_extension(name);
  if (extension == ".txt") return InputFormat::kText;
  if (extension == ".csv") return InputFormat::kCsv;
  if (extension == ".tsv") return InputFormat::kTsv;
  return InputFormat::kJsonl;
}

}  // namespace eet
