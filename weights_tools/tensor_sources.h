// From the tensors a file holds to the tensors the runtime wants: which go where.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/model/config.h"
#include "lib/model/weights.h"
#include "weights_tools/checkpoint.h"
#include "weights_tools/formats/safetensors.h"
#include "weights_tools/stored_parts.h"

namespace eet {

// Where a canonical tensor is stored: in one tensor, or in several that follow each other along
// dimension 0 (q, k, v; gate, up). In a name '#' stands for the layer and '*' for a head or an
// expert, of which each has a tensor of its own; ".weight" or ".bias" comes behind it, or, in the
// place of a '!' at its end, nothing or "_bias". A tensor of experts without '*' is stored stacked
// [experts, out, in], and layouts are those of each expert's matrix. A tensor may have several
// entries, of which the first that is stored counts.
struct StoredAs {
  TensorId id;
  std::vector<std::string_view> names;
  SourceLayout layout = SourceLayout::kSame;
  int64_t skipped_rows = 0;  // in front of the wanted ones
};

// What a family or a format says about its tensors.
struct NameMap {
  std::vector<StoredAs> tensors = {};
  // Stored names may carry one of these in front, or none: "transformer.".
  std::vector<std::string_view> prefixes = {};
  // Stored tensors that are no weights of the text model (masks, tables, other towers): '#' stands
  // for digits, a '*' at the end for anything.
  std::vector<std::string_view> ignorable = {};
};

// The name map of files that store every tensor under its canonical name.
NameMap canonical_names();

// Finds the sources of every tensor of `config` and checks their types and shapes; refuses missing
// tensors, and stored ones that no canonical tensor uses. Fills tensors, loader, file_bytes and
// config.dtype of `checkpoint`, whose config is set. `where` names the file or directory in
// messages.
//
// As transformers does, a model that ties its head keeps a stored head that differs from the
// embeddings (with a warning), and takes the head for the embeddings where only that is stored.
void bind_tensors(Checkpoint& checkpoint, const StoredTensors& stored, const NameMap& names,
                  const std::string& where);

}  // namespace eet
