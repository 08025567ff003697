// The likeliest pieces of a word (Kudo 2018, https://arxiv.org/abs/1804.10959).
#pragma once

#include "tokenizer/models/model.h"

namespace eet {

// A model of the type Unigram.
std::unique_ptr<Model> read_unigram(const JsonView& model);

}  // namespace eet
