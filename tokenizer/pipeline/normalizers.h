// The normalizers of tokenizer.json: they change text before it is cut into words.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/json_view.h"

namespace eet {

struct NormalizedText {
  std::string text;
  // How many of its first bytes come from the very first character of the whole input (see Word).
  size_t origin_bytes = 0;
};

// One step. Immutable: any number of threads may use one.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(NormalizedText& text) const = 0;
};

using Normalizers = std::vector<std::unique_ptr<Normalizer>>;

// `normalizer` of a tokenizer.json; null means none. TokenizerError names what is not supported.
Normalizers read_normalizers(const JsonView& normalizer);

}  // namespace eet
