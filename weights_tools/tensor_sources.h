// From the tensors a file holds to the tensors the runtime wants: which go where, and how their
// elements are rearranged.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/model/model_config.h"
#include "lib/model/weights.h"
#include "weights_tools/checkpoint.h"
#include "weights_tools/safetensors.h"

namespace eet {

// How a stored tensor lies in comparison with its rows of the canonical one.
enum class SourceLayout {
  kSame,
  kTransposed,        // stored [in, out], as the Conv1D of GPT-2
  kInterleavedPairs,  // rows of each head pair 2i with 2i+1 for RoPE; canonical pairs i with i+d/2
};

// A stored tensor that gives some rows of a canonical one.
struct Source {
  std::string name;
  std::vector<int64_t> shape;  // canonical: of these rows, before any transposition
  SourceLayout layout = SourceLayout::kSame;
};

// What a family or a format says about its tensors. The sources of one canonical tensor follow each
// other along dimension 0.
struct NameMap {
  std::function<std::vector<Source>(const TensorSpec&)> sources;
  // Stored names may carry this in front, or not: "transformer.".
  std::string optional_prefix;
  // Stored tensors that are no weights (masks, tables), or that the configuration replaces.
  std::function<bool(std::string_view name)> is_ignorable;
};

// A canonical name taken apart: "layers.3.qkv.weight" has layer 3, module "qkv", kind "weight";
// the layer of "final_norm.bias" is -1.
struct CanonicalName {
  int64_t layer = -1;
  std::string_view module;
  std::string_view kind;
};
CanonicalName parse_canonical_name(std::string_view name);

// The first dimension of `spec` replaced: the part of a fused tensor with that many rows.
std::vector<int64_t> with_rows(const TensorSpec& spec, int64_t rows);

// Finds the sources of every tensor of `config` and checks their types and shapes; refuses missing
// tensors, and stored ones that no canonical tensor uses. Fills tensors, loader, file_bytes and
// config.dtype of `checkpoint`, whose config is set. `where` names the file or directory in
// messages.
void bind_tensors(Checkpoint& checkpoint, const StoredTensors& stored, const NameMap& names,
                  const std::string& where);

}  // namespace eet
