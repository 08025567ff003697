#include "lib/model/blocks/attention.h"

namespace eet {

void attention_block(const Context& ctx, TensorView delta, TensorView x, const LayerWeights& layer,
                     const KvLayer& kv, const ForwardBatch& batch, const Activations& buffers) {
  ops::linear(ctx, buffers.qkv, x, layer.qkv.weight, layer.qkv.bias);
  ops::append_attention(ctx, buffers.attended, buffers.qkv, kv, batch, layer.attention, layer.rope,
                        layer.qk_norm, buffers.attention_scratch);
  ops::linear(ctx, delta, buffers.attended, layer.attn_out.weight, layer.attn_out.bias);
}

}  // namespace eet
