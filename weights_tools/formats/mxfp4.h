// MXFP4 in safetensors (OCP Microscaling Formats 1.0), as gpt-oss is published.
#pragma once

#include "weights_tools/formats/safetensors.h"

namespace eet {

// Puts the tensors NAME_blocks (U8 [..., blocks, 16]) and NAME_scales (U8 [..., blocks]) together:
// NAME_blocks becomes a packed tensor [..., 32 * blocks] that gives bf16, equal to the bit to what
// transformers unpacks (integrations/mxfp4.py), and NAME_scales goes away. Element 2i of a block is
// the low half of its byte i. Throws Error where the types or shapes of a pair do not fit.
void join_mxfp4(StoredTensors& tensors);

}  // namespace eet
