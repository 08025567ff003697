// SentencePiece's normalisation rules in the form in which its models carry them.
#pragma once

#include <memory>

#include "tokenizer/json_view.h"
#include "tokenizer/pipeline/normalizers.h"

namespace eet {

// A normalizer of the type Precompiled. TokenizerError for a map that points outside of itself.
std::unique_ptr<Normalizer> read_precompiled_normalizer(const JsonView& component);

}  // namespace eet
