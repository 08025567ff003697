#include "weights_tools/formats/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

#include "lib/core/error.h"
#include "weights_tools/formats/gguf_quants.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "GGUF";
constexpr uint32_t kOldestVersion = 2;
constexpr uint32_t kNewestVersion = 3;
constexpr uint32_t kMaxDims = 4;               // GGML_MAX_DIMS
constexpr uint64_t kMaxArrayLength = 1 << 24;  // several times the largest vocabulary's merges
constexpr uint64_t kDefaultAlignment = 32;

// gguf_type of gguf.h.
enum ValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};

// Takes values off the front of a file's bytes. What it throws names the file and `item`, what is
// being read.
class Cursor {
 public:
  explicit Cursor(const MappedFile& file) : file_(file) {}

  size_t offset() const { return at_; }
  void begin_item(std::string item) { item_ = std::move(item); }

  template <typename Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }

  std::string_view string() {
    const auto length = number<uint64_t>();
    return {reinterpret_cast<const char*>(take(length)), length};
  }

  bool boolean() {
    const auto value = number<uint8_t>();
    check(value <= 1, "a bool of 0 or 1", int{value});
    return value == 1;
  }

  template <typename Got>
  void check(bool holds, std::string_view expected, const Got& got) const {
    if (!holds) throw Error(concat(where(), ": expected ", expected, ", got ", got));
  }

  std::string where() const { return file_.path().string() + ": " + item_; }

 private:
  const std::byte* take(uint64_t count) {
    const size_t left = file_.bytes().size() - at_;
    require(count <= left, where(), ": takes ", count, " bytes, but the file ends after ", left,
            "; the file is truncated or damaged");
    const std::byte* bytes = file_.bytes().data() + at_;
    at_ += count;
    return bytes;
  }

  const MappedFile& file_;
  size_t at_ = 0;
  std::string item_ = "header";
};

template <typename Element, typename Read>
std::vector<Element> read_elements(uint64_t count, Read read) {
  std::vector<Element> elements;
  for (uint64_t i = 0; i < count; ++i) elements.push_back(static_cast<Element>(read()));
  return elements;
}

// One value of a type, or `count` of them as an array.
template <typename Element, typename Read>
GgufValue read_one_or_many(std::optional<uint64_t> count, Read read) {
  if (count) return read_elements<Element>(*count, read);
  return static_cast<Element>(read());
}

GgufValue read_value(Cursor& cursor, uint32_t type, std::optional<uint64_t> count = {}) {
  const auto number = [&]<typename Stored, typename Element>(Stored, Element) {
    return read_one_or_many<Element>(count, [&] { return cursor.number<Stored>(); });
  };
  switch (type) {
    case kUint8:
      return number(uint8_t{}, uint64_t{});
    case kInt8:
      return number(int8_t{}, int64_t{});
    case kUint16:
      return number(uint16_t{}, uint64_t{});
    case kInt16:
      return number(int16_t{}, int64_t{});
    case kUint32:
      return number(uint32_t{}, uint64_t{});
    case kInt32:
      return number(int32_t{}, int64_t{});
    case kUint64:
      return number(uint64_t{}, uint64_t{});
    case kInt64:
      return number(int64_t{}, int64_t{});
    case kFloat32:
      return number(float{}, double{});
    case kFloat64:
      return number(double{}, double{});
    case kBool:
      return read_one_or_many<bool>(count, [&] { return cursor.boolean(); });
    case kString:
      return read_one_or_many<std::string_view>(count, [&] { return cursor.string(); });
    case kArray: {
      cursor.check(!count, "an array of plain values", "an array of arrays");
      const auto element_type = cursor.number<uint32_t>();
      const auto length = cursor.number<uint64_t>();
      cursor.check(length <= kMaxArrayLength, concat("at most ", kMaxArrayLength, " elements"),
                   length);
      return read_value(cursor, element_type, length);
    }
    default:
      cursor.check(false, "a value type from 0 to 12", type);
      return {};
  }
}

struct Header {
  uint32_t version = 0;
  uint64_t tensor_count = 0;
  uint64_t value_count = 0;
};

Header read_header(Cursor& cursor, const std::string& where) {
  Header header;
  const auto magic = cursor.number<std::array<char, 4>>();
  require(std::string_view(magic.data(), magic.size()) == kMagic, where,
          ": expected a GGUF file, which begins with \"GGUF\"");
  header.version = cursor.number<uint32_t>();
  const uint32_t swapped = __builtin_bswap32(header.version);
  require(swapped > kNewestVersion || swapped == 0, where,
          ": expected a little-endian GGUF file, got a big-endian one; convert it with gguf-py's "
          "gguf_convert_endian");
  require(header.version >= kOldestVersion && header.version <= kNewestVersion, where,
          ": expected GGUF version ", kOldestVersion, " or ", kNewestVersion, ", got ",
          header.version, "; convert the model again with a current llama.cpp");
  header.tensor_count = cursor.number<uint64_t>();
  header.value_count = cursor.number<uint64_t>();
  return header;
}

GgufMetadata::Values read_values(Cursor& cursor, uint64_t count) {
  GgufMetadata::Values values;
  for (uint64_t i = 0; i < count; ++i) {
    cursor.begin_item(concat("metadata value ", i + 1, " of ", count));
    const std::string_view key = cursor.string();
    cursor.begin_item(std::string(key));
    cursor.check(!values.contains(key), "one value", "a second one");
    values.emplace(key, read_value(cursor, cursor.number<uint32_t>()));
  }
  return values;
}

// A tensor as the header describes it.
struct Entry {
  std::string_view name;
  const PackedType* type = nullptr;
  std::vector<int64_t> shape;  // row-major, unlike the file's
  uint64_t offset = 0;         // in the data section
  uint64_t bytes = 0;
};

Entry read_entry(Cursor& cursor, uint64_t index, uint64_t count) {
  cursor.begin_item(concat("tensor ", index + 1, " of ", count));
  Entry entry;
  entry.name = cursor.string();
  cursor.begin_item(std::string(entry.name));
  const auto dims = cursor.number<uint32_t>();
  cursor.check(dims <= kMaxDims, concat("at most ", kMaxDims, " dimensions"), dims);
  uint64_t elements = 1;
  for (uint32_t dim = 0; dim < dims; ++dim) {
    const auto size = cursor.number<uint64_t>();
    cursor.check(size > 0 && size <= INT64_MAX, "a size from 1 to 2^63 - 1", size);
    cursor.check(!__builtin_mul_overflow(elements, size, &elements), "fewer than 2^64 elements",
                 "more");
    entry.shape.insert(entry.shape.begin(), static_cast<int64_t>(size));
  }
  const auto type = cursor.number<uint32_t>();
  entry.type = find_packed_type(type);
  cursor.check(entry.type != nullptr, "a tensor type of GGML that files may hold", type);
  const uint64_t row = entry.shape.empty() ? 1 : static_cast<uint64_t>(entry.shape.back());
  cursor.check(
      row % entry.type->elements == 0,
      concat("rows of a multiple of ", entry.type->elements, " elements for ", entry.type->name),
      row);
  const uint64_t blocks = elements / entry.type->elements;
  cursor.check(!__builtin_mul_overflow(blocks, entry.type->bytes, &entry.bytes),
               "fewer than 2^64 bytes", "more");
  entry.offset = cursor.number<uint64_t>();
  return entry;
}

uint64_t alignment_of(const GgufMetadata& metadata) {
  const int64_t alignment =
      metadata.integer("general.alignment").value_or(static_cast<int64_t>(kDefaultAlignment));
  if (alignment <= 0 || alignment > (1 << 30) ||
      !std::has_single_bit(static_cast<uint64_t>(alignment))) {
    metadata.refuse("general.alignment", "a power of two up to 2^30");
  }
  return static_cast<uint64_t>(alignment);
}

void check_disjoint(std::vector<const Entry*> entries, const std::string& where) {
  std::sort(entries.begin(), entries.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
  });
  for (size_t i = 1; i < entries.size(); ++i) {
    require(entries[i]->offset >= entries[i - 1]->offset + entries[i - 1]->bytes, where, ": ",
            entries[i]->name, ": overlaps ", entries[i - 1]->name);
  }
}

// The tensors that `entries` describe. The data section begins at the first aligned place from
// `header_end` on.
StoredTensors place_tensors(const std::shared_ptr<const MappedFile>& file,
                            const std::vector<Entry>& entries, size_t header_end,
                            uint64_t alignment) {
  const std::string where = file->path().string();
  const size_t file_size = file->bytes().size();
  const uint64_t data_begin = (header_end + alignment - 1) / alignment * alignment;
  StoredTensors tensors;
  std::vector<const Entry*> placed;
  for (const Entry& entry : entries) {
    require(entry.offset % alignment == 0, where, ": ", entry.name,
            ": expected an offset that is a multiple of ", alignment, ", got ", entry.offset);
    const uint64_t data_bytes = file_size > data_begin ? file_size - data_begin : 0;
    require(entry.offset <= data_bytes && entry.bytes <= data_bytes - entry.offset, where, ": ",
            entry.name, ": takes ", entry.bytes, " bytes at offset ", entry.offset,
            ", but the file holds only ", data_bytes, " data bytes; the file is truncated");
    const std::byte* data = file->bytes().data() + data_begin + entry.offset;
    const auto [at, is_new] = tensors.emplace(
        entry.name, StoredTensor{std::string(entry.type->name), entry.type->dtype, entry.shape,
                                 data, file, entry.type->unpack ? entry.type : nullptr});
    require(is_new, where, ": ", entry.name, ": expected one tensor of this name, got two");
    placed.push_back(&entry);
  }
  check_disjoint(std::move(placed), where);
  return tensors;
}

Gguf read_one_file(const fs::path& path, Links links) {
  const auto file = MappedFile::open(path, links);
  Cursor cursor(*file);
  const Header header = read_header(cursor, path.string());
  Gguf gguf;
  gguf.version = header.version;
  gguf.metadata = GgufMetadata(file, read_values(cursor, header.value_count));
  std::vector<Entry> entries;
  for (uint64_t i = 0; i < header.tensor_count; ++i) {
    entries.push_back(read_entry(cursor, i, header.tensor_count));
  }
  gguf.tensors = place_tensors(file, entries, cursor.offset(), alignment_of(gguf.metadata));
  return gguf;
}

// "-00001-of-00003.gguf"
std::string split_suffix(int64_t number, int64_t count) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "-%05lld-of-%05lld.gguf", static_cast<long long>(number),
                static_cast<long long>(count));
  return text.data();
}

void join_splits(Gguf& first, const fs::path& path, int64_t count) {
  const std::string where = path.string();
  const GgufMetadata& metadata = first.metadata;
  require(count <= UINT16_MAX, where, ": split.count: expected at most ", UINT16_MAX, ", got ",
          count);
  const std::string suffix = split_suffix(1, count);
  const std::string name = path.filename().string();
  const int64_t place = metadata.integer("split.no").value_or(0);
  require(place == 0, where, ": expected the first of a model's ", count, " files, got number ",
          place + 1, "; name the one that ends in ", suffix);
  require(name.ends_with(suffix), where, ": expected a name that ends in ", suffix,
          ", by which the other files of the model are found");
  const std::vector<fs::path> files = gguf_files(path);
  for (int64_t i = 1; i < count; ++i) {
    const fs::path& other_path = files[static_cast<size_t>(i)];
    Gguf other = read_one_file(other_path, Links::kInsideFolder);
    const int64_t other_place = other.metadata.integer("split.no").value_or(0);
    require(other_place == i, other_path.string(), ": split.no: expected ", i, ", got ",
            other_place);
    for (auto& [tensor_name, tensor] : other.tensors) {
      const auto [at, is_new] = first.tensors.emplace(tensor_name, std::move(tensor));
      require(is_new, other_path.string(), ": ", tensor_name, ": already in ",
              at->second.file->path().filename().string());
    }
  }
  const auto tensor_count = static_cast<int64_t>(first.tensors.size());
  const int64_t promised = metadata.integer("split.tensors.count").value_or(tensor_count);
  require(tensor_count == promised, where, ": split.tensors.count: expected ", promised,
          " tensors in ", count, " files, got ", tensor_count);
}

}  // namespace

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void GgufMetadata::refuse(std::string_view key, std::string_view expected) const {
  throw Error(concat(file_name(), ": ", key, ": expected ", expected));
}

std::optional<bool> GgufMetadata::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  refuse(key, "a bool");
}

std::optional<int64_t> GgufMetadata::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<int64_t>(value)) return *number;
  const auto* number = std::get_if<uint64_t>(value);
  if (number != nullptr && *number <= INT64_MAX) return static_cast<int64_t>(*number);
  refuse(key, "an integer below 2^63");
}

std::optional<std::string_view> GgufMetadata::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string_view>(value)) return *text;
  refuse(key, "a string");
}

std::vector<std::string_view> GgufMetadata::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  if (const auto* list = std::get_if<std::vector<std::string_view>>(value)) return *list;
  refuse(key, "an array of strings");
}

std::vector<double> GgufMetadata::numbers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  const auto as_doubles = [](const auto& list) {
    return std::vector<double>(list.begin(), list.end());
  };
  if (const auto* list = std::get_if<std::vector<double>>(value)) return *list;
  if (const auto* list = std::get_if<std::vector<int64_t>>(value)) return as_doubles(*list);
  if (const auto* list = std::get_if<std::vector<uint64_t>>(value)) return as_doubles(*list);
  refuse(key, "an array of numbers");
}

bool is_gguf(const fs::path& path) {
  if (path.extension() == ".gguf") return true;
  try {
    std::array<char, kMagic.size()> magic{};
    RegularFile(path, Links::kAnywhere).read(0, magic);
    return std::string_view(magic.data(), magic.size()) == kMagic;
  } catch (const FileError&) {
    return false;  // for the reader of another format to complain about
  }
}

std::vector<fs::path> gguf_files(const fs::path& first) {
  const std::string name = first.filename().string();
  constexpr std::string_view kFirst = "-00001-of-";
  const size_t at = name.rfind(kFirst);
  int64_t count = 1;
  if (at != std::string::npos) {
    const char* digits = name.data() + at + kFirst.size();
    std::from_chars(digits, name.data() + name.size(), count);
  }
  std::vector<fs::path> files = {first};
  if (count <= 1 || count > UINT16_MAX || !name.ends_with(split_suffix(1, count))) return files;
  for (int64_t i = 2; i <= count; ++i) {
    files.push_back(first.parent_path() / (name.substr(0, at) + split_suffix(i, count)));
  }
  return files;
}

Gguf read_gguf(const fs::path& path) {
  Gguf gguf = read_one_file(path, Links::kAnywhere);  // the user names it
  const int64_t count = gguf.metadata.integer("split.count").value_or(1);
  if (count > 1) join_splits(gguf, path, count);
  return gguf;
}

}  // namespace eet
