#include "weights_tools/formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "lib/core/error.h"
#include "weights_tools/json_object.h"

namespace eet {
namespace {

using nlohmann::json;

constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr size_t kDataAlignment = 64;

struct ElementType {
  std::string_view name;
  size_t bytes;
  std::optional<DType> dtype;
};

constexpr ElementType kElementTypes[] = {
    {"F32", 4, DType::kF32}, {"F16", 2, DType::kF16}, {"BF16", 2, DType::kBF16},
    {"BOOL", 1, {}},         {"U8", 1, {}},           {"I8", 1, {}},
    {"F8_E4M3", 1, {}},      {"F8_E5M2", 1, {}},      {"F8_E8M0", 1, {}},
    {"I16", 2, {}},          {"U16", 2, {}},          {"I32", 4, {}},
    {"U32", 4, {}},          {"F64", 8, {}},          {"I64", 8, {}},
    {"U64", 8, {}},          {"C64", 8, {}},
};

const ElementType* find_type(std::string_view name) {
  const auto* found = std::find_if(std::begin(kElementTypes), std::end(kElementTypes),
                                   [&](const ElementType& type) { return type.name == name; });
  return found == std::end(kElementTypes) ? nullptr : found;
}

std::string_view type_name(DType dtype) {
  const auto* found = std::find_if(std::begin(kElementTypes), std::end(kElementTypes),
                                   [&](const ElementType& type) { return type.dtype == dtype; });
  require(found != std::end(kElementTypes), "safetensors: cannot store ", dtype_name(dtype));
  return found->name;
}

// Where one tensor lies in the data section.
struct Range {
  size_t begin = 0;
  size_t end = 0;
  std::string name;
};

// One entry of the header, and what messages about it start with.
class EntryReader {
 public:
  EntryReader(const json& entry, std::string where) : entry_(entry), where_(std::move(where)) {
    require(entry_.is_object(), where_, ": expected an object with dtype, shape and data_offsets");
    for (const auto& [key, value] : entry_.items()) {
      require(key == "dtype" || key == "shape" || key == "data_offsets", where_, ": unknown key \"",
              key, '"');
    }
  }

  const ElementType& type() const {
    const json& value = field("dtype");
    require(value.is_string(), where_, ": dtype: expected a string");
    const auto& name = value.get_ref<const std::string&>();
    const ElementType* type = find_type(name);
    require(type != nullptr, where_, ": unknown dtype \"", name, '"');
    return *type;
  }

  std::vector<int64_t> shape() const {
    std::vector<int64_t> dims;
    for (uint64_t dim : integers("shape")) dims.push_back(static_cast<int64_t>(dim));
    return dims;
  }

  // Bytes of the tensor, checked against overflow.
  size_t bytes() const {
    size_t product = type().bytes;
    for (uint64_t dim : integers("shape")) {
      require(!__builtin_mul_overflow(product, dim, &product), where_,
              ": shape: the number of bytes overflows 64 bits");
    }
    return product;
  }

  Range range(const std::string& name, size_t data_bytes) const {
    const std::vector<uint64_t> offsets = integers("data_offsets");
    require(offsets.size() == 2, where_, ": data_offsets: expected two integers");
    const auto [begin, end] = std::pair(offsets[0], offsets[1]);
    require(begin <= end && end <= data_bytes, where_, ": data_offsets [", begin, ", ", end,
            "] lie outside the file's ", data_bytes, " data bytes; the file may be truncated");
    require(end - begin == bytes(), where_, ": expected ", bytes(),
            " bytes for its dtype and shape, got data_offsets of ", end - begin);
    return {begin, end, name};
  }

 private:
  const json& field(const char* key) const {
    const auto found = entry_.find(key);
    require(found != entry_.end(), where_, ": ", key, " is missing");
    return *found;
  }

  std::vector<uint64_t> integers(const char* key) const {
    const json& value = field(key);
    require(value.is_array(), where_, ": ", key, ": expected a list of integers");
    std::vector<uint64_t> numbers;
    for (const json& element : value) {
      require(element.is_number_unsigned() && element.get<uint64_t>() <= INT64_MAX, where_, ": ",
              key, ": expected a list of integers that are not negative");
      numbers.push_back(element.get<uint64_t>());
    }
    return numbers;
  }

  const json& entry_;
  std::string where_;
};

json read_header(const MappedFile& file, size_t& data_begin) {
  const std::string where = file.path().string();
  const std::span<const std::byte> bytes = file.bytes();
  require(bytes.size() >= kLengthBytes, where, ": expected a safetensors file, got only ",
          bytes.size(), " bytes");
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), kLengthBytes);  // the format and all targets: low first
  require(header_bytes <= kMaxHeaderBytes, where, ": expected a safetensors header of at most ",
          kMaxHeaderBytes, " bytes, got ", header_bytes, "; is it a safetensors file?");
  require(header_bytes <= bytes.size() - kLengthBytes, where, ": the header takes ", header_bytes,
          " bytes, but the file ends after ", bytes.size() - kLengthBytes,
          "; the file is truncated");
  data_begin = kLengthBytes + header_bytes;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              header_bytes);
  json header = parse_json(text, where + ": header");
  require(header.is_object(), where, ": header: expected a JSON object");
  return header;
}

// The reference's rule: sorted by offset, each tensor begins where the one before it ends, and the
// last one ends the file.
void check_contiguous(std::vector<Range> ranges, size_t data_bytes, const std::string& where) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  size_t expected = 0;
  for (const Range& range : ranges) {
    require(range.begin <= expected, where, ": ", range.name, ": data_offsets leave a hole of ",
            range.begin - expected, " bytes before the tensor");
    require(range.begin == expected, where, ": ", range.name,
            ": data_offsets overlap another tensor: expected to begin at ", expected, ", got ",
            range.begin);
    expected = range.end;
  }
  require(expected == data_bytes, where, ": ", data_bytes - expected,
          " bytes after the last tensor belong to none");
}

StoredTensors read_tensors(const std::shared_ptr<const MappedFile>& file) {
  size_t data_begin = 0;
  const json header = read_header(*file, data_begin);
  const std::string where = file->path().string();
  const std::span<const std::byte> data = file->bytes().subspan(data_begin);
  StoredTensors tensors;
  std::vector<Range> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const EntryReader reader(entry, concat(where, ": ", name));
    const ElementType& type = reader.type();
    const Range& range = ranges.emplace_back(reader.range(name, data.size()));
    tensors.emplace(name, StoredTensor{std::string(type.name), type.dtype, reader.shape(),
                                       data.data() + range.begin, file});
  }
  check_contiguous(std::move(ranges), data.size(), where);
  return tensors;
}

// Whether `name` is that of a file below a folder: "model-1.safetensors", "shards/1.safetensors".
bool is_name_below(const std::string& name) {
  if (name.find_first_of(std::string_view("\\\0", 2)) != std::string::npos) return false;
  const std::filesystem::path path = name;
  return path.has_filename() && path.is_relative() &&
         std::none_of(path.begin(), path.end(),
                      [](const auto& part) { return part == "." || part == ".."; });
}

// A folder below may itself be a link that leads away.
void require_inside(const std::filesystem::path& folder, const std::filesystem::path& file) {
  const std::filesystem::path root = std::filesystem::weakly_canonical(folder);
  const std::filesystem::path place = std::filesystem::weakly_canonical(file.parent_path());
  require(std::mismatch(root.begin(), root.end(), place.begin(), place.end()).first == root.end(),
          file.string(), ": expected a shard inside the model's folder, got one in ",
          place.string(), "; put the file itself there");
}

// The files that an index names.
std::vector<std::filesystem::path> shards_of(const std::filesystem::path& index_path) {
  JsonObject index = JsonObject::read(index_path);
  const std::string where = index_path.string();
  const json& weight_map = index.value("weight_map");
  require(weight_map.is_object(), where, ": weight_map: expected an object of file names");
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map.items()) {
    require(shard.is_string() && is_name_below(shard.get<std::string>()), where,
            ": weight_map: ", tensor,
            ": expected the name of a file in the same directory or below, got ",
            shard.dump(-1, ' ', false, json::error_handler_t::replace));
    shards.insert(shard.get<std::string>());
  }
  std::vector<std::filesystem::path> files;
  for (const std::string& shard : shards) {
    files.push_back(index_path.parent_path() / shard);
    require_inside(index_path.has_parent_path() ? index_path.parent_path() : ".", files.back());
  }
  return files;
}

StoredTensors read_shards(const std::vector<std::filesystem::path>& files) {
  StoredTensors tensors;
  for (const std::filesystem::path& file : files) {
    for (auto& [name, tensor] : read_safetensors(file)) {
      const auto [first, is_new] = tensors.emplace(name, tensor);
      require(is_new, tensor.file->path().string(), ": ", name, ": already in ",
              first->second.file->path().filename().string());
    }
  }
  // Tensors that the index lists and no shard has are missed where the model needs them.
  return tensors;
}

}  // namespace

StoredTensors read_safetensors(const std::filesystem::path& path) {
  return read_tensors(MappedFile::open(path));
}

std::vector<std::filesystem::path> safetensors_files(const std::filesystem::path& directory) {
  const std::filesystem::path single = directory / "model.safetensors";
  if (std::filesystem::exists(single)) return {single};
  const std::filesystem::path index = directory / "model.safetensors.index.json";
  require(std::filesystem::exists(index), directory.string(),
          ": expected model.safetensors or model.safetensors.index.json; other weight formats "
          "(pytorch_model.bin) must be converted to safetensors first; give a .gguf file itself");
  return shards_of(index);
}

StoredTensors read_safetensors_directory(const std::filesystem::path& directory) {
  return read_shards(safetensors_files(directory));
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::span<const TensorHeader> tensors)
    : file_(path) {
  json header = json::object();
  for (const TensorHeader& tensor : tensors) {
    size_t bytes = dtype_size(tensor.dtype);
    for (int64_t dim : tensor.shape) bytes *= static_cast<size_t>(dim);
    header[tensor.name] = {{"dtype", type_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {bytes_left_, bytes_left_ + bytes}}};
    bytes_left_ += bytes;
  }
  std::string text = header.dump();
  while ((kLengthBytes + text.size()) % kDataAlignment != 0) text += ' ';
  const uint64_t length = text.size();
  file_.write(std::as_bytes(std::span(&length, 1)));
  file_.write(text);
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  require(bytes.size() <= bytes_left_, "safetensors: more bytes written than the header promises");
  file_.write(bytes);
  bytes_left_ -= bytes.size();
}

void SafetensorsWriter::finish() {
  require(bytes_left_ == 0, "safetensors: ", bytes_left_, " promised bytes were not written");
  file_.finish();
}

}  // namespace eet
