#include "lib/model/activations.h"

#include "lib/model/weights.h"

namespace eet {
namespace {

AttentionShape shape_of(const AttentionConfig& attention) {
  return {.num_heads = static_cast<int>(attention.num_heads),
          .num_kv_heads = static_cast<int>(attention.num_kv_heads),
          .head_dim = static_cast<int>(attention.head_dim)};
}

size_t scratch_bytes(const Context& ctx, const ModelConfig& config, const PassLimits& limits) {
  return ops::attention_scratch_bytes(ctx, shape_of(config.attention()), limits.max_rows,
                                      limits.max_model_len);
}

// Of layers that read pages which rows share once for all of them; 0 where none does.
size_t prefix_states_bytes(const Context& ctx, const ModelConfig& config,
                           const PassLimits& limits) {
  const auto is_plain = [](const LayerConfig& layer) {
    const AttentionConfig& attention = layer.attention;
    return attention.window == 0 && attention.softcap == 0 && attention.alibi_scale == 0 &&
           !attention.sinks;
  };
  if (config.largest([&](const LayerConfig& layer) { return is_plain(layer) ? 1 : 0; }) == 0) {
    return 0;
  }
  return ops::prefix_states_bytes(ctx, limits.dtype, shape_of(config.attention()), limits.max_rows);
}

// As visit_views, of what layers with experts need.
template <typename Visit>
void visit_expert_views(const Context& ctx, const ModelConfig& config, const PassLimits& limits,
                        Activations& views, Visit& visit) {
  const int64_t tokens = limits.max_tokens;
  const int64_t experts =
      config.largest([](const LayerConfig& layer) { return layer.experts.count; });
  if (experts == 0) return;
  visit(views.router_logits, DType::kF32, tokens, experts);
  const int64_t groups = config.largest([&](const LayerConfig& layer) {
    const auto count = static_cast<int>(layer.experts.count);
    const auto top_k = static_cast<int>(layer.experts.top_k);
    return ops::expert_groups_bytes(count, top_k, tokens);
  });
  visit(views.expert_groups, DType::kI32, 1,
        groups / static_cast<int64_t>(dtype_size(DType::kI32)));
  visit(views.expert_activated, limits.dtype, tokens, config.largest([](const LayerConfig& layer) {
    return layer.experts.top_k * layer.mlp.intermediate_size;
  }));
  visit(views.expert_out, limits.dtype, tokens,
        config.hidden_size *
            config.largest([](const LayerConfig& layer) { return layer.experts.top_k; }));
  if (!ctx.on_cuda()) {
    visit(views.expert_product, DType::kF32, tokens, config.largest([&](const LayerConfig& layer) {
      return layer.experts.top_k * std::max(layer.mlp.up_size(), config.hidden_size);
    }));
  }
  if (config.largest(
          [](const LayerConfig& layer) { return layer.experts.shared_intermediate_size; }) == 0) {
    return;
  }
  visit(views.shared_out, limits.dtype, tokens, config.hidden_size);
  if (config.largest([](const LayerConfig& layer) { return layer.experts.shared_gate ? 1 : 0; }) >
      0) {
    visit(views.shared_gate, DType::kF32, tokens, 1);
  }
}

// Calls visit(view, dtype, rows, columns) for every view of `views` that the model needs, logits
// last.
template <typename Visit>
void visit_views(const Context& ctx, const ModelConfig& config, const PassLimits& limits,
                 Activations& views, Visit visit) {
  const DType dtype = limits.dtype;
  const int64_t tokens = limits.max_tokens;
  const int64_t rows = limits.max_rows;
  const int64_t hidden = config.hidden_size;
  const bool projects = config.embedding_size != hidden;
  visit(views.residual, DType::kF32, tokens, std::max(hidden, config.embedding_size));
  if (projects) visit(views.embedded, dtype, tokens, config.embedding_size);
  visit(views.normed, dtype, tokens, hidden);
  if (config.largest([](const LayerConfig& layer) {
        return layer.residual == Residual::kParallel ? 1 : 0;
      }) > 0) {
    visit(views.mlp_normed, dtype, tokens, hidden);
  }
  visit(views.qkv, dtype, tokens, config.attention().qkv_size());
  visit(views.attended, dtype, tokens, config.attention().q_size());
  const int64_t up =
      config.largest([](const LayerConfig& layer) { return layer.dense_mlp().up_size(); });
  if (up > 0) visit(views.up, dtype, tokens, up);
  const int64_t gated = config.largest([](const LayerConfig& layer) {
    return layer.mlp.gated ? layer.dense_mlp().intermediate_size : 0;
  });
  if (gated > 0) visit(views.activated, dtype, tokens, gated);
  visit_expert_views(ctx, config, limits, views, visit);
  visit(views.delta, dtype, tokens, hidden);
  visit(views.last, dtype, rows, hidden);
  if (projects) visit(views.projected, dtype, rows, config.embedding_size);
  visit(views.logits, DType::kF32, rows, padded_vocab_size(ctx, config));
}

}  // namespace

ActivationMemory::ActivationMemory(const Context& ctx, const ModelConfig& config,
                                   const PassLimits& limits) {
  visit_views(ctx, config, limits, views_,
              [&](TensorView& view, DType dtype, int64_t rows, int64_t columns) {
                view = TensorView(nullptr, dtype, {rows, columns});
                storage_.push_back(allocate(ctx, view.bytes(), "activations"));
                view.data = storage_.back().data();
              });
  if (!views_.activated) views_.activated = views_.up;
  // The residual stream is as wide as the layers; wider only while embeddings are projected.
  views_.residual.shape[1] = config.hidden_size;
  storage_.push_back(allocate(ctx, scratch_bytes(ctx, config, limits), "attention scratch"));
  const Buffer& scratch = storage_.back();
  fill_bytes(ctx, scratch.data(), 0, scratch.bytes());
  views_.attention_scratch =
      ops::attention_scratch(scratch.data(), shape_of(config.attention()), limits.max_rows);
  const size_t prefix_states = prefix_states_bytes(ctx, config, limits);
  if (prefix_states > 0) {
    storage_.push_back(allocate(ctx, prefix_states, "states of shared prefixes"));
    views_.attention_scratch.prefix_states = static_cast<float*>(storage_.back().data());
  }
}

std::vector<MemoryItem> ActivationMemory::memory(const Context& ctx, const ModelConfig& config,
                                                 const PassLimits& limits) {
  auto activations = static_cast<int64_t>(scratch_bytes(ctx, config, limits) +
                                          prefix_states_bytes(ctx, config, limits));
  int64_t logits = 0;
  Activations views;
  visit_views(ctx, config, limits, views,
              [&](TensorView& view, DType dtype, int64_t rows, int64_t columns) {
                (&view == &views.logits ? logits : activations) +=
                    TensorView(nullptr, dtype, {rows, columns}).bytes();
              });
  return {{"activations", activations}, {"logits", logits}};
}

}  // namespace eet
