#include "weights_tools/tensor_sources.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include "lib/core/error.h"

namespace eet {
namespace {

// A source and the stored tensor found for it.
struct Part {
  Source source;
  StoredTensor stored;
};

// A canonical tensor and where its rows come from.
struct Binding {
  TensorSpec spec;
  DType dtype = DType::kF32;
  int64_t head_dim = 0;
  std::vector<Part> parts;
};

int64_t element_count(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t dim : shape) count *= dim;
  return count;
}

std::string describe_shape(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::vector<int64_t> stored_shape(const Source& source) {
  std::vector<int64_t> shape = source.shape;
  if (source.layout == SourceLayout::kTransposed) std::reverse(shape.begin(), shape.end());
  return shape;
}

// Finds stored tensors by name, with the optional prefix or without, and remembers which were used.
class Finder {
 public:
  Finder(const StoredTensors& stored, const NameMap& names, std::string where)
      : stored_(stored), names_(names), where_(std::move(where)) {}

  Part find(const Source& source) {
    auto found = stored_.find(names_.optional_prefix + source.name);
    if (found == stored_.end()) found = stored_.find(source.name);
    require(found != stored_.end(), where_, ": tensor ", source.name, " is missing: expected ",
            describe_shape(stored_shape(source)));
    const auto& [name, tensor] = *found;
    const std::string file_and_name = concat(tensor.file->path().string(), ": ", name);
    require(tensor.shape == stored_shape(source), file_and_name, ": expected shape ",
            describe_shape(stored_shape(source)), ", got ", describe_shape(tensor.shape));
    require(tensor.dtype.has_value(), file_and_name, ": expected F32, F16 or BF16, got ",
            tensor.type_name);
    used_.insert(name);
    return {source, tensor};
  }

  void refuse_unused() const {
    for (const auto& [name, tensor] : stored_) {
      if (used_.contains(name)) continue;
      std::string_view bare = name;
      if (bare.starts_with(names_.optional_prefix)) {
        bare.remove_prefix(names_.optional_prefix.size());
      }
      require(names_.is_ignorable(bare), tensor.file->path().string(), ": ", name, ": unexpected ",
              tensor.type_name, " tensor ", describe_shape(tensor.shape),
              ": the configuration has no place for it, so the model is refused");
    }
  }

 private:
  const StoredTensors& stored_;
  const NameMap& names_;
  std::string where_;
  std::set<std::string_view> used_;
};

// The type all parts share, or fp32, which holds every value of the others.
DType common_dtype(const std::vector<Part>& parts) {
  const DType first = *parts.front().stored.dtype;
  const bool same = std::all_of(parts.begin(), parts.end(),
                                [&](const Part& part) { return *part.stored.dtype == first; });
  return same ? first : DType::kF32;
}

// out[c, r] = in[r, c] in tiles that stay in the cache; in: [rows, columns].
template <typename Element>
void transpose(Element* out, const Element* in, int64_t rows, int64_t columns) {
  constexpr int64_t kTile = 32;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      for (int64_t c = c0; c < std::min(c0 + kTile, columns); ++c) {
        for (int64_t r = r0; r < std::min(r0 + kTile, rows); ++r) {
          out[c * rows + r] = in[r * columns + c];
        }
      }
    }
  }
}

// Row (head, half, i) of `out` = row (head, i, half) of `in`; in, out: [heads*head_dim, columns].
void separate_pairs(std::byte* out, const std::byte* in, int64_t rows, size_t row_bytes,
                    int64_t head_dim) {
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t head = row / head_dim;
    const int64_t half = row % head_dim / (head_dim / 2);
    const int64_t i = row % (head_dim / 2);
    const int64_t from = head * head_dim + 2 * i + half;
    std::memcpy(out + static_cast<size_t>(row) * row_bytes,
                in + static_cast<size_t>(from) * row_bytes, row_bytes);
  }
}

bool is_aligned(const std::byte* data, DType dtype) {
  return reinterpret_cast<uintptr_t>(data) % dtype_size(dtype) == 0;
}

// Writes the rows of `part`, as `dtype` in canonical layout, to `out` (aligned).
void assemble_part(std::byte* out, const Part& part, DType dtype, int64_t head_dim) {
  const DType stored_dtype = *part.stored.dtype;
  const auto count = static_cast<size_t>(element_count(part.source.shape));
  const std::byte* in = part.stored.data;
  std::unique_ptr<std::byte[]> aligned;
  std::unique_ptr<std::byte[]> converted;
  if (!is_aligned(in, stored_dtype)) {
    aligned = std::make_unique_for_overwrite<std::byte[]>(count * dtype_size(stored_dtype));
    std::memcpy(aligned.get(), in, count * dtype_size(stored_dtype));
    in = aligned.get();
  }
  if (stored_dtype != dtype) {
    converted = std::make_unique_for_overwrite<std::byte[]>(count * dtype_size(dtype));
    convert_elements(converted.get(), dtype, in, stored_dtype, count);
    in = converted.get();
  }
  const int64_t rows = part.source.shape[0];
  switch (part.source.layout) {
    case SourceLayout::kSame:
      std::memcpy(out, in, count * dtype_size(dtype));
      return;
    case SourceLayout::kTransposed: {
      const int64_t columns = part.source.shape[1];
      if (dtype_size(dtype) == 2) {
        transpose(reinterpret_cast<uint16_t*>(out), reinterpret_cast<const uint16_t*>(in), columns,
                  rows);
      } else {
        transpose(reinterpret_cast<uint32_t*>(out), reinterpret_cast<const uint32_t*>(in), columns,
                  rows);
      }
      return;
    }
    case SourceLayout::kInterleavedPairs:
      separate_pairs(out, in, rows, count / static_cast<size_t>(rows) * dtype_size(dtype),
                     head_dim);
      return;
  }
}

// The parts as they lie in their files.
HostTensor view_parts(const Binding& binding) {
  HostTensor tensor{binding.dtype, binding.spec.shape, {}, nullptr};
  auto files = std::make_shared<std::vector<std::shared_ptr<const MappedFile>>>();
  for (const Part& part : binding.parts) {
    tensor.pieces.push_back({part.stored.data, element_count(part.source.shape)});
    files->push_back(part.stored.file);
  }
  tensor.owner = std::move(files);
  return tensor;
}

HostTensor load(const Binding& binding) {
  const bool in_place =
      std::all_of(binding.parts.begin(), binding.parts.end(), [&](const Part& part) {
        return part.source.layout == SourceLayout::kSame && *part.stored.dtype == binding.dtype &&
               is_aligned(part.stored.data, binding.dtype);
      });
  if (in_place) return view_parts(binding);
  HostTensor tensor{binding.dtype, binding.spec.shape, {}, nullptr};
  const size_t size = dtype_size(binding.dtype);
  const auto count = static_cast<size_t>(element_count(binding.spec.shape));
  std::shared_ptr<std::byte[]> bytes = std::make_unique_for_overwrite<std::byte[]>(count * size);
  std::byte* out = bytes.get();
  for (const Part& part : binding.parts) {
    assemble_part(out, part, binding.dtype, binding.head_dim);
    out += static_cast<size_t>(element_count(part.source.shape)) * size;
  }
  tensor.pieces = {{bytes.get(), static_cast<int64_t>(count)}};
  tensor.owner = std::move(bytes);
  return tensor;
}

int64_t file_bytes(const StoredTensors& stored) {
  std::set<const MappedFile*> files;
  for (const auto& [name, tensor] : stored) files.insert(tensor.file.get());
  int64_t bytes = 0;
  for (const MappedFile* file : files) bytes += static_cast<int64_t>(file->bytes().size());
  return bytes;
}

}  // namespace

CanonicalName parse_canonical_name(std::string_view name) {
  CanonicalName parsed;
  constexpr std::string_view kLayers = "layers.";
  if (name.starts_with(kLayers)) {
    name.remove_prefix(kLayers.size());
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), parsed.layer);
    require(error == std::errc(), "canonical tensor name without a layer number: ", name);
    name.remove_prefix(static_cast<size_t>(end - name.data()) + 1);
  }
  const size_t dot = name.rfind('.');
  require(dot != std::string_view::npos, "canonical tensor name without a kind: ", name);
  parsed.module = name.substr(0, dot);
  parsed.kind = name.substr(dot + 1);
  return parsed;
}

std::vector<int64_t> with_rows(const TensorSpec& spec, int64_t rows) {
  std::vector<int64_t> shape = spec.shape;
  shape[0] = rows;
  return shape;
}

void bind_tensors(Checkpoint& checkpoint, const StoredTensors& stored, const NameMap& names,
                  const std::string& where) {
  auto bindings = std::make_shared<std::unordered_map<std::string, Binding>>();
  Finder finder(stored, names, where);
  for (TensorSpec& spec : tensor_specs(checkpoint.config)) {
    Binding binding{spec, DType::kF32, checkpoint.config.head_dim, {}};
    for (const Source& source : names.sources(spec)) binding.parts.push_back(finder.find(source));
    binding.dtype = common_dtype(binding.parts);
    checkpoint.tensors.push_back({spec, binding.dtype});
    bindings->emplace(spec.name, std::move(binding));
  }
  finder.refuse_unused();
  checkpoint.file_bytes = file_bytes(stored);
  checkpoint.config.dtype = checkpoint.tensors.front().dtype;
  checkpoint.loader = [bindings, where](const TensorSpec& spec) {
    const auto found = bindings->find(spec.name);
    require(found != bindings->end(), where, ": ", spec.name, ": the model has no such tensor");
    const Binding& binding = found->second;
    require(binding.spec.shape == spec.shape, where, ": ", spec.name, ": expected shape ",
            describe_shape(spec.shape), ", got ", describe_shape(binding.spec.shape));
    return load(binding);
  };
}

}  // namespace eet
