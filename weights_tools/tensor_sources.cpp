#include "weights_tools/tensor_sources.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "lib/core/error.h"
#include "weights_tools/stored_parts.h"

namespace eet {
namespace {

// A canonical tensor and where its rows come from.
struct Binding {
  TensorSpec spec;
  DType dtype = DType::kF32;
  AttentionConfig heads;
  std::vector<StoredPart> parts;
};

std::string describe_shape(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
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

// The name that the map gives, complete but for what stands for '*'.
std::string name_for(std::string_view name, const TensorSpec& spec) {
  const bool is_bias = spec.key.part == TensorPart::kBias;
  const bool bare = name.ends_with('!');
  if (bare) name.remove_suffix(1);
  std::string full = replaced(name, '#', spec.key.layer);
  full += bare ? (is_bias ? "_bias" : "") : (is_bias ? ".bias" : ".weight");
  return full;
}

// How a part of this shape lies: a vector the same way whether its matrix is transposed or not.
SourceLayout part_layout(SourceLayout layout, const std::vector<int64_t>& shape) {
  if (shape.size() > 1) return layout;
  if (layout == SourceLayout::kTransposedInterleavedGates) return SourceLayout::kInterleavedGates;
  return layout == SourceLayout::kTransposed ? SourceLayout::kSame : layout;
}

bool is_transposed(SourceLayout layout) {
  return layout == SourceLayout::kTransposed || layout == SourceLayout::kTransposedInterleavedGates;
}

// Rows that each of `count` stored parts of a tensor gives.
std::vector<int64_t> part_rows(const TensorSpec& spec, const AttentionConfig& heads, size_t count) {
  if (spec.key.id == TensorId::kQkv && count == 3) {
    return {heads.q_size(), heads.kv_size(), heads.kv_size()};
  }
  return std::vector<int64_t>(count, spec.shape[0] / static_cast<int64_t>(count));
}

// The stored tensors of `spec`, one matrix or vector, under names that the map gives it.
std::vector<Source> sources_as(const StoredAs& stored, const TensorSpec& spec,
                               const AttentionConfig& heads) {
  std::vector<std::string> names;
  for (const std::string_view name : stored.names) {
    const bool each_head = name.find('*') != std::string_view::npos;
    const int64_t count = each_head ? spec.shape[0] / heads.head_dim : 1;
    for (int64_t head = 0; head < count; ++head) {
      names.push_back(replaced(name_for(name, spec), '*', head));
    }
  }
  std::vector<Source> sources;
  const std::vector<int64_t> rows = part_rows(spec, heads, names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    Source source{.name = std::move(names[i]), .shape = spec.shape, .stored = {}};
    source.shape[0] = rows[i];
    source.first = stored.skipped_rows * (source.numel() / rows[i]);
    source.stored = source.shape;
    source.stored[0] += stored.skipped_rows;
    source.layout = part_layout(stored.layout, spec.shape);
    if (is_transposed(source.layout)) std::reverse(source.stored.begin(), source.stored.end());
    if (stored.layout == SourceLayout::kHeadRows) {
      source.stored = {rows[i] / heads.head_dim, heads.head_dim};
    }
    if (stored.layout == SourceLayout::kOneRow) source.stored.erase(source.stored.begin());
    // Values are not rotated.
    if (source.layout == SourceLayout::kInterleavedPairs && i == 2) {
      source.layout = SourceLayout::kSame;
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

// The same of a matrix or a vector of each expert: from tensors of each, or from stacked ones.
std::vector<Source> expert_sources_as(const StoredAs& stored, const TensorSpec& spec) {
  const int64_t experts = spec.shape[0];
  std::vector<int64_t> shape(spec.shape.begin() + 1, spec.shape.end());
  shape[0] /= static_cast<int64_t>(stored.names.size());
  const SourceLayout layout = part_layout(stored.layout, shape);
  std::vector<int64_t> stored_shape = shape;
  if (is_transposed(layout)) std::reverse(stored_shape.begin(), stored_shape.end());
  std::vector<Source> sources;
  for (int64_t expert = 0; expert < experts; ++expert) {
    for (const std::string_view name : stored.names) {
      Source source{replaced(name_for(name, spec), '*', expert), shape, stored_shape, layout};
      if (name.find('*') == std::string_view::npos) {
        source.stored.insert(source.stored.begin(), experts);
        source.first = expert * source.numel();
      }
      sources.push_back(std::move(source));
    }
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

  StoredPart find(const Source& source) {
    const auto* found = look_up(source.name);
    require(found != nullptr, where_, ": tensor ", source.name, " is missing: expected ",
            describe_shape(source.stored));
    const auto& [name, tensor] = *found;
    const std::string file_and_name = concat(tensor.file->path().string(), ": ", name);
    require(tensor.shape == source.stored, file_and_name, ": expected shape ",
            describe_shape(source.stored), ", got ", describe_shape(tensor.shape));
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
  if (map.tensors.empty()) return {{spec.name(), spec.shape, spec.shape}};
  std::vector<Source> sources;
  for (const StoredAs& stored : map.tensors) {
    if (stored.id != spec.key.id) continue;
    std::vector<Source> these =
        is_of_experts(spec) ? expert_sources_as(stored, spec) : sources_as(stored, spec, heads);
    if (finder.look_up(these.front().name) != nullptr) return these;
    if (sources.empty()) sources = std::move(these);
  }
  require(!sources.empty(), "internal error: no name for tensor ", spec.name());
  return sources;
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
  const int64_t elements = Source{"", a.shape, a.shape}.numel();
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
    return join_parts(binding.parts, spec.shape, binding.dtype, binding.heads);
  };
}

}  // namespace eet
