// What the SentencePiece library takes on trust in a model, checked before it is loaded.
#pragma once

#include <string_view>

namespace eet {

// The library follows the offsets of a model's precompiled character maps (the normalisation rules,
// double-array tries) without looking at their sizes, so that a damaged or hostile model makes it
// read anywhere. False unless every step of any text through the maps of `model` (a serialised
// ModelProto) stays inside. What else may be wrong with a model the library finds itself.
bool has_sound_character_maps(std::string_view model);

// The same for one map, as a tokenizer.json has it too.
bool is_sound_character_map(std::string_view map);

}  // namespace eet
