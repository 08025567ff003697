// One id a word.
#pragma once

#include "tokenizer/models/model.h"

namespace eet {

// A model of the type WordLevel.
std::unique_ptr<Model> read_word_level(const JsonView& model);

}  // namespace eet
