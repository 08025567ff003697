#include "weights_tools/tensor_sources.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "lib/core/error.h"
#include "weights_tools/formats/gguf_quants.h"

namespace eet {
namespace {

// A stored tensor that gives some rows of a canonical one.
struct Source {
  std::string name;
  std::vector<int64_t> shape;  // canonical: of these rows, before any transposition
  SourceLayout layout = SourceLayout::kSame;
  int64_t skipped_rows = 0;
};

// A source and the stored tensor found for it.
struct Part {
  Source source;
  StoredTensor stored;
};

// A canonical tensor and where its rows come from.
struct Binding {
  TensorSpec spec;
  DType dtype = DType::kF32;
  AttentionConfig heads;
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
  shape[0] += source.skipped_rows;
  if (source.layout == SourceLayout::kTransposed) std::reverse(shape.begin(), shape.end());
  return shape;
}

// Whether `text` is `pattern`, where '#' in the pattern stands for one or more digits and a '*' at
// its end for anything.
bool matches(std::string_view text, std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*' && i + 1 == pattern.size()) return true;
    if (text.empty()) return false;
    if (pattern[i] == '#') {
      const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
      if (digits == 0) return false;
      text.remove_prefix(digits);
    } else {
      if (text.front() != pattern[i]) return false;
      text.remove_prefix(1);
    }
  }
  return text.empty();
}

std::string replaced(std::string_view pattern, char mark, int64_t number) {
  std::string name;
  for (const char c : pattern) name += c == mark ? std::to_string(number) : std::string(1, c);
  return name;
}

// Rows that each of `count` stored parts of a tensor gives.
std::vector<int64_t> part_rows(const TensorSpec& spec, const AttentionConfig& heads, size_t count) {
  if (spec.key.id == TensorId::kQkv && count == 3) {
    return {heads.q_size(), heads.kv_size(), heads.kv_size()};
  }
  return std::vector<int64_t>(count, spec.shape[0] / static_cast<int64_t>(count));
}

// How part `i` of a tensor lies: a vector the same way whether its matrix is transposed or not, and
// values are not rotated.
SourceLayout part_layout(SourceLayout layout, const TensorSpec& spec, size_t i) {
  const bool same = layout == SourceLayout::kHeadRows ||
                    (layout == SourceLayout::kTransposed && spec.shape.size() == 1) ||
                    (layout == SourceLayout::kInterleavedPairs && i == 2);
  return same ? SourceLayout::kSame : layout;
}

// The stored tensors of `spec` under names that the map gives it.
std::vector<Source> sources_as(const StoredAs& stored, const TensorSpec& spec,
                               const AttentionConfig& heads) {
  std::vector<std::string> names;
  for (std::string_view name : stored.names) {
    const bool bare = name.ends_with('!');
    if (bare) name.remove_suffix(1);
    const std::string suffix = bare ? "" : spec.key.part == TensorPart::kBias ? ".bias" : ".weight";
    const bool each_head = name.find('*') != std::string_view::npos;
    const int64_t count = each_head ? spec.shape[0] / heads.head_dim : 1;
    const std::string of_layer = replaced(name, '#', spec.key.layer);
    for (int64_t head = 0; head < count; ++head) {
      names.push_back(replaced(of_layer, '*', head) + suffix);
    }
  }
  std::vector<Source> sources;
  const std::vector<int64_t> rows = part_rows(spec, heads, names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    std::vector<int64_t> shape = spec.shape;
    shape[0] = rows[i];
    if (stored.layout == SourceLayout::kHeadRows) {
      shape = {rows[i] / heads.head_dim, heads.head_dim};
    }
    sources.push_back({std::move(names[i]), std::move(shape), part_layout(stored.layout, spec, i),
                       stored.skipped_rows});
  }
  return sources;
}

// Finds stored tensors by name, with a prefix or without, and remembers which were used.
class Finder {
 public:
  Finder(const StoredTensors& stored, const NameMap& names, std::string where)
      : stored_(stored), names_(names), where_(std::move(where)) {}

  // Null where nothing is stored under that name.
  const StoredTensors::value_type* look_up(const std::string& name) const {
    for (const std::string_view prefix : names_.prefixes) {
      const auto found = stored_.find(std::string(prefix) + name);
      if (found != stored_.end()) return &*found;
    }
    const auto found = stored_.find(name);
    return found == stored_.end() ? nullptr : &*found;
  }

  Part find(const Source& source) {
    const auto* found = look_up(source.name);
    require(found != nullptr, where_, ": tensor ", source.name, " is missing: expected ",
            describe_shape(stored_shape(source)));
    const auto& [name, tensor] = *found;
    const std::string file_and_name = concat(tensor.file->path().string(), ": ", name);
    require(tensor.shape == stored_shape(source), file_and_name, ": expected shape ",
            describe_shape(stored_shape(source)), ", got ", describe_shape(tensor.shape));
    require(
        tensor.dtype.has_value(), file_and_name, ": expected F32, F16, BF16 or, in a GGUF file, ",
        "a packed type that can be unpacked (Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS, MXFP4)",
        ", got ", tensor.type_name);
    used_.insert(name);
    return {source, tensor};
  }

  // The stored tensor is of no further use.
  void drop(const StoredTensors::value_type& stored) { used_.insert(stored.first); }

  void refuse_unused() const {
    for (const auto& [name, tensor] : stored_) {
      require(used_.contains(name) || is_ignorable(name), tensor.file->path().string(), ": ", name,
              ": unexpected ", tensor.type_name, " tensor ", describe_shape(tensor.shape),
              ": the configuration has no place for it, so the model is refused");
    }
  }

 private:
  bool is_ignorable(std::string_view name) const {
    const auto listed = [&](std::string_view bare) {
      return std::any_of(names_.ignorable.begin(), names_.ignorable.end(),
                         [&](std::string_view pattern) { return matches(bare, pattern); });
    };
    return listed(name) ||
           std::any_of(names_.prefixes.begin(), names_.prefixes.end(),
                       [&](std::string_view prefix) {
                         return name.starts_with(prefix) && listed(name.substr(prefix.size()));
                       });
  }

  const StoredTensors& stored_;
  const NameMap& names_;
  std::string where_;
  std::set<std::string_view> used_;
};

// Where the map gives a tensor several entries, the first whose tensor is stored, else the first.
std::vector<Source> sources_of(const NameMap& map, const TensorSpec& spec,
                               const AttentionConfig& heads, const Finder& finder) {
  if (map.tensors.empty()) return {{spec.name(), spec.shape}};
  std::vector<Source> sources;
  for (const StoredAs& stored : map.tensors) {
    if (stored.id != spec.key.id) continue;
    std::vector<Source> these = sources_as(stored, spec, heads);
    if (finder.look_up(these.front().name) != nullptr) return these;
    if (sources.empty()) sources = std::move(these);
  }
  require(!sources.empty(), "internal error: no name for tensor ", spec.name());
  return sources;
}

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

// Copies rows into canonical order: row r of `out` is row from(r) of `in`.
template <typename From>
void gather_rows(std::byte* out, const std::byte* in, int64_t rows, size_t row_bytes, From from) {
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(out + static_cast<size_t>(row) * row_bytes,
                in + static_cast<size_t>(from(row)) * row_bytes, row_bytes);
  }
}

// Row (head, half, i) is stored as row (head, i, half).
int64_t row_of_pair(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim;
  const int64_t half = row % head_dim / (head_dim / 2);
  const int64_t i = row % (head_dim / 2);
  return head * head_dim + 2 * i + half;
}

// Row i of a query, key or value head is stored behind those of the key heads before it and of its
// own that come first.
int64_t row_in_group(int64_t row, const AttentionConfig& heads) {
  const int64_t head = row / heads.head_dim;
  const int64_t group = heads.num_heads / heads.num_kv_heads;
  int64_t kv_head = head / group;
  int64_t place = head % group;
  if (head >= heads.num_heads) {
    const int64_t other = head - heads.num_heads;
    kv_head = other % heads.num_kv_heads;
    place = group + other / heads.num_kv_heads;
  }
  return (kv_head * (group + 2) + place) * heads.head_dim + row % heads.head_dim;
}

bool is_aligned(const std::byte* data, DType dtype) {
  return reinterpret_cast<uintptr_t>(data) % dtype_size(dtype) == 0;
}

// Bytes of so many elements of a stored tensor: whole rows, so whole blocks.
size_t stored_bytes(const StoredTensor& stored, size_t elements) {
  const PackedType* packed = stored.packed;
  return packed != nullptr ? elements / packed->elements * packed->bytes
                           : elements * dtype_size(*stored.dtype);
}

// The first wanted element of a stored tensor.
const std::byte* first_row(const Part& part) {
  const auto row = static_cast<size_t>(element_count(part.source.shape) / part.source.shape[0]);
  return part.stored.data +
         stored_bytes(part.stored, static_cast<size_t>(part.source.skipped_rows) * row);
}

// Writes the rows of `part`, as `dtype` in canonical layout, to `out` (aligned).
void assemble_part(std::byte* out, const Part& part, DType dtype, const AttentionConfig& heads) {
  const DType stored_dtype = *part.stored.dtype;
  const auto count = static_cast<size_t>(element_count(part.source.shape));
  const std::byte* in = first_row(part);
  std::unique_ptr<std::byte[]> aligned;
  std::unique_ptr<std::byte[]> converted;
  if (const PackedType* packed = part.stored.packed) {
    // All packed types unpack to fp32, and fp32 is what parts of which one is fp32 have in common.
    aligned = std::make_unique_for_overwrite<std::byte[]>(count * sizeof(float));
    packed->unpack(reinterpret_cast<float*>(aligned.get()), in, count / packed->elements);
    in = aligned.get();
  } else if (!is_aligned(in, stored_dtype)) {
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
  const size_t row_bytes = count / static_cast<size_t>(rows) * dtype_size(dtype);
  switch (part.source.layout) {
    case SourceLayout::kSame:
    case SourceLayout::kHeadRows:
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
      gather_rows(out, in, rows, row_bytes,
                  [&](int64_t row) { return row_of_pair(row, heads.head_dim); });
      return;
    case SourceLayout::kGroupedQkv:
      gather_rows(out, in, rows, row_bytes, [&](int64_t row) { return row_in_group(row, heads); });
      return;
  }
}

// Parts of files that a tensor was made of or is a view of, as long as it lives: the model has
// copies of its own then, and a job need not keep both in memory.
class StoredParts {
 public:
  explicit StoredParts(const std::vector<Part>& parts) {
    for (const Part& part : parts) stored_.push_back(part.stored);
  }
  ~StoredParts() {
    for (const StoredTensor& stored : stored_) {
      const auto elements = static_cast<size_t>(element_count(stored.shape));
      stored.file->release({stored.data, stored_bytes(stored, elements)});
    }
  }
  StoredParts(const StoredParts&) = delete;
  StoredParts& operator=(const StoredParts&) = delete;

 private:
  std::vector<StoredTensor> stored_;
};

// The parts as they lie in their files.
HostTensor view_parts(const Binding& binding) {
  HostTensor tensor{binding.dtype, binding.spec.shape, {}, nullptr};
  for (const Part& part : binding.parts) {
    tensor.pieces.push_back({first_row(part), element_count(part.source.shape)});
  }
  tensor.owner = std::make_shared<const StoredParts>(binding.parts);
  return tensor;
}

HostTensor load(const Binding& binding) {
  const bool in_place =
      std::all_of(binding.parts.begin(), binding.parts.end(), [&](const Part& part) {
        return part.source.layout == SourceLayout::kSame && part.stored.packed == nullptr &&
               *part.stored.dtype == binding.dtype && is_aligned(first_row(part), binding.dtype);
      });
  if (in_place) return view_parts(binding);
  const StoredParts used(binding.parts);
  HostTensor tensor{binding.dtype, binding.spec.shape, {}, nullptr};
  const size_t size = dtype_size(binding.dtype);
  const auto count = static_cast<size_t>(element_count(binding.spec.shape));
  std::shared_ptr<std::byte[]> bytes = std::make_unique_for_overwrite<std::byte[]>(count * size);
  std::byte* out = bytes.get();
  for (const Part& part : binding.parts) {
    assemble_part(out, part, binding.dtype, binding.heads);
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

bool same_contents(const StoredTensor& a, const StoredTensor& b) {
  if (a.type_name != b.type_name || a.shape != b.shape || !a.dtype) return false;
  const auto elements = static_cast<size_t>(element_count(a.shape));
  return std::memcmp(a.data, b.data, stored_bytes(a, elements)) == 0;
}

// What a tied model stores of its two tensors decides what is tied.
void settle_tied_head(Checkpoint& checkpoint, Finder& finder, const NameMap& names) {
  ModelConfig& config = checkpoint.config;
  if (!config.tie_word_embeddings) return;
  const auto stored_as = [&](TensorId id) {
    const TensorSpec spec{
        {.id = id}, TensorKind::kTable, {config.vocab_size, config.embedding_size}};
    return finder.look_up(sources_of(names, spec, config.attention(), finder).front().name);
  };
  const auto* head = stored_as(TensorId::kLmHead);
  const auto* embedding = stored_as(TensorId::kTokenEmbedding);
  if (head == nullptr || embedding == nullptr) return;
  if (same_contents(head->second, embedding->second)) {
    finder.drop(*head);
    return;
  }
  config.tie_word_embeddings = false;
  checkpoint.warnings.push_back(
      concat(head->second.file->path().string(), ": ", head->first, " differs from ",
             embedding->first, ", although the configuration ties them; it is used as stored"));
}

}  // namespace

NameMap canonical_names() {
  return {};
}

void bind_tensors(Checkpoint& checkpoint, const StoredTensors& stored, const NameMap& names,
                  const std::string& where) {
  auto bindings = std::make_shared<std::map<TensorKey, Binding>>();
  Finder finder(stored, names, where);
  settle_tied_head(checkpoint, finder, names);
  const ModelConfig& config = checkpoint.config;
  for (TensorSpec& spec : tensor_specs(config)) {
    Binding binding{spec, DType::kF32, config.attention(), {}};
    std::vector<Source> sources = sources_of(names, spec, config.attention(), finder);
    if (config.tie_word_embeddings && spec.key.id == TensorId::kTokenEmbedding &&
        finder.look_up(sources.front().name) == nullptr) {
      TensorSpec head = spec;
      head.key.id = TensorId::kLmHead;
      const std::vector<Source> of_head = sources_of(names, head, config.attention(), finder);
      if (finder.look_up(of_head.front().name) != nullptr) sources = of_head;
    }
    for (const Source& source : sources) binding.parts.push_back(finder.find(source));
    binding.dtype = common_dtype(binding.parts);
    checkpoint.tensors.push_back({spec, binding.dtype});
    bindings->emplace(spec.key, std::move(binding));
  }
  finder.refuse_unused();
  checkpoint.file_bytes = file_bytes(stored);
  checkpoint.config.dtype = checkpoint.tensors.front().dtype;
  checkpoint.loader = [bindings, where](const TensorSpec& spec) {
    const auto found = bindings->find(spec.key);
    require(found != bindings->end(), where, ": ", spec.name(), ": the model has no such tensor");
    const Binding& binding = found->second;
    require(binding.spec.shape == spec.shape, where, ": ", spec.name(), ": expected shape ",
            describe_shape(spec.shape), ", got ", describe_shape(binding.spec.shape));
    return load(binding);
  };
}

}  // namespace eet
