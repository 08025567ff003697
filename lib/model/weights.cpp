#include "lib/model/weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "lib/core/error.h"
#include "lib/model/rope_table.h"
#include "lib/model/tensor_upload.h"
#include "lib/ops/cpu/gemm.h"

namespace eet {
namespace {

// On CUDA the LM head's rows are filled up to a multiple of this: an unaligned vocabulary runs an
// order of magnitude below an aligned one (50257 rows: 97 TFLOP/s against 700, H100 bf16).
constexpr int64_t kHeadRowMultiple = 128;

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int64_t padded_rows(const Context& ctx, const TensorSpec& spec) {
  const bool pads = ctx.on_cuda() && spec.kind == TensorKind::kHead;
  return pads ? round_up(spec.shape[0], kHeadRowMultiple) : spec.shape[0];
}

// What a product's matrix takes: on the CPU panels, on CUDA rows, filled up for the head.

int64_t matrix_elements(const Context& ctx, const TensorSpec& spec) {
  if (!ctx.on_cuda()) return ops::cpu::panel_elements(spec.shape[0], spec.shape[1]);
  return padded_rows(ctx, spec) * spec.shape[1];
}

// The same of all experts.
int64_t expert_elements(const Context& ctx, const TensorSpec& spec) {
  if (ctx.on_cuda()) return spec.numel();
  return spec.shape[0] * ops::cpu::panel_elements(spec.shape[1], spec.shape[2]);
}

// A vector, a table, or a vector of each expert, as it is.
TensorView view_of(const TensorSpec& spec, DType dtype) {
  if (spec.shape.size() == 1) return {nullptr, dtype, {spec.shape[0]}};
  return {nullptr, dtype, {spec.shape[0], spec.shape[1]}};
}

bool is_tied_head(const ModelConfig& config, const TensorSpec& spec) {
  return config.tie_word_embeddings && spec.key.id == TensorId::kTokenEmbedding;
}

// The spec of the LM head whose weights are those of the token embedding.
TensorSpec as_head(TensorSpec spec) {
  spec.kind = TensorKind::kHead;
  return spec;
}

// The distinct rotations of the layers, and which of them each kind of layer has.
struct Rotations {
  explicit Rotations(const ModelConfig& config) {
    for (const LayerConfig& kind : config.layer_kinds) {
      const RopeConfig& rope = kind.attention.rope;
      const auto found = std::find(configs.begin(), configs.end(), rope);
      of_kind.push_back(static_cast<size_t>(found - configs.begin()));
      if (found == configs.end()) configs.push_back(rope);
    }
  }
  std::vector<RopeConfig> configs;
  std::vector<size_t> of_kind;
};

bool has_alibi(const LayerConfig& layer) {
  return layer.attention.alibi_scale != 0;
}

// Press et al. 2022, as transformers' build_alibi_tensor: 2^(-8/n), 2^(-16/n), ... for n heads, n
// the power of two up to num_heads, and for the heads past it those of 2n heads in between.
std::vector<float> alibi_slopes(const AttentionConfig& attention) {
  std::vector<float> slopes;
  const auto count = static_cast<size_t>(attention.num_heads);
  const size_t power = std::bit_floor(count);
  for (size_t i = 0; i < count; ++i) {
    const double n = static_cast<double>(i < power ? power : 2 * power);
    const double exponent = static_cast<double>(i < power ? i + 1 : 2 * (i - power) + 1);
    slopes.push_back(static_cast<float>(attention.alibi_scale * std::exp2(-8.0 / n * exponent)));
  }
  return slopes;
}

// Places tensors on the device, from a loader or drawn at random.
class WeightPlacer {
 public:
  WeightPlacer(const Context& ctx, const ModelConfig& config, DType dtype,
               const TensorLoader& loader, uint64_t seed)
      : ctx_(ctx), config_(config), dtype_(dtype), loader_(loader), seed_(seed) {
    if (!ctx.on_cuda() || !loader) return;
    ahead_.emplace(loader_, tensor_specs(config));
    upload_.emplace(ctx);
  }

  PlacedWeights place(int64_t num_positions) {
    Weights& weights = placed_.weights;
    // In the order of tensor_specs(), so that the loader can work ahead.
    visit_tensors(config_, weights, [&](const TensorSpec& spec, auto& slot) {
      if (is_tied_head(config_, spec)) {
        tied_head(spec);
      } else {
        this->place(spec, slot);
      }
    });
    place_attention_tables(num_positions);
    synchronize(ctx_);
    return std::move(placed_);
  }

 private:
  static constexpr float kRandomStddev = 0.02F;

  uint64_t next_seed() { return seed_ + 0x9E3779B97F4A7C15ULL * ++tensors_drawn_; }

  void reserve(TensorView& view) {
    placed_.storage.push_back(allocate(ctx_, view.bytes(), "model weights"));
    view.data = placed_.storage.back().data();
  }

  HostTensor load(const TensorSpec& spec) { return ahead_ ? ahead_->load(spec) : loader_(spec); }

  void copy_in(const TensorView& view, HostTensor tensor) {
    if (upload_) return upload_->upload(view, tensor);
    convert_elements(view.data, view.dtype, contiguous_data(tensor), tensor.dtype, view.numel());
  }

  // Fills `view` from the loader, or with random values.
  void fill(const TensorView& view, const TensorSpec& spec) {
    if (loader_) return copy_in(view, load(spec));
    const bool is_vector = spec.kind == TensorKind::kFactor;
    const double offset = spec.key.id == TensorId::kQNorm || spec.key.id == TensorId::kKNorm
                              ? config_.attention().qk_norm_config.weight_offset
                              : config_.norm.weight_offset;
    if (spec.kind == TensorKind::kAddend || spec.kind == TensorKind::kLogits) {
      fill_bytes(ctx_, view.data, 0, view.bytes());
    } else if (is_vector) {
      ops::fill_normal(ctx_, view, static_cast<float>(1.0 - offset), 0.0F, next_seed());
    } else {
      ops::fill_normal(ctx_, view, 0.0F, kRandomStddev, next_seed());
    }
  }

  // The elements as they are.
  void copy_pieces(const TensorView& view, const HostTensor& tensor) {
    const auto size = static_cast<int64_t>(dtype_size(tensor.dtype));
    auto* out = view.as<std::byte>();
    for (const HostTensor::Piece& piece : tensor.pieces) {
      const int64_t bytes = piece.count * size;
      constexpr int64_t kChunk = int64_t{1} << 22;
      ctx_.pool->parallel_for((bytes + kChunk - 1) / kChunk, [&](int64_t i) {
        const int64_t begin = i * kChunk;
        std::memcpy(out + begin, static_cast<const std::byte*>(piece.data) + begin,
                    static_cast<size_t>(std::min(kChunk, bytes - begin)));
      });
      out += bytes;
    }
  }

  // A vector, or an embedding table, whose rows are looked up one by one. On the CPU a table keeps
  // the checkpoint's type, but not its memory: a view of a mapped file would change, or go away,
  // with the file.
  void place(const TensorSpec& spec, TensorView& view) {
    const bool is_table = spec.kind == TensorKind::kTable;
    if (is_table && !ctx_.on_cuda() && loader_) {
      const HostTensor tensor = load(spec);
      view = view_of(spec, tensor.dtype);
      reserve(view);
      copy_pieces(view, tensor);
      return;
    }
    view = view_of(spec, spec.kind == TensorKind::kLogits ? DType::kF32 : dtype_);
    reserve(view);
    fill(view, spec);
  }

  // A matrix in the layout products want.
  void place(const TensorSpec& spec, LinearWeight& weight) {
    const int64_t out = spec.shape[0];
    const int64_t in = spec.shape[1];
    weight = {.in_features = in, .out_features = out, .padded_out = padded_rows(ctx_, spec)};
    if (!ctx_.on_cuda()) {
      weight.data = TensorView(nullptr, dtype_, {matrix_elements(ctx_, spec)});
      reserve(weight.data);
      if (!loader_) return fill(weight.data, spec);
      HostTensor tensor = load(spec);
      ops::cpu::pack_panels(*ctx_.pool, weight.data.as<float>(), contiguous_data(tensor),
                            tensor.dtype, out, in);
      return;
    }
    weight.data = TensorView(nullptr, dtype_, {weight.padded_out, in});
    reserve(weight.data);
    fill(weight.data.first(out), spec);
    const int64_t used = out * in * static_cast<int64_t>(dtype_size(dtype_));
    fill_bytes(ctx_, weight.data.as<std::byte>() + used, 0, weight.data.bytes() - used);
  }

  // A matrix of each expert, in the layout grouped products want.
  void place(const TensorSpec& spec, ExpertWeight& weight) {
    const int64_t count = spec.shape[0];
    const int64_t out = spec.shape[1];
    const int64_t in = spec.shape[2];
    weight = {.num_experts = count, .in_features = in, .out_features = out};
    if (ctx_.on_cuda()) {
      weight.data = TensorView(nullptr, dtype_, {count, out, in});
      reserve(weight.data);
      return fill(weight.data, spec);
    }
    weight.data = TensorView(nullptr, dtype_, {expert_elements(ctx_, spec)});
    reserve(weight.data);
    if (!loader_) return fill(weight.data, spec);
    HostTensor tensor = load(spec);
    const auto* matrices = static_cast<const std::byte*>(contiguous_data(tensor));
    const auto matrix_bytes = out * in * static_cast<int64_t>(dtype_size(tensor.dtype));
    const int64_t panels = ops::cpu::panel_elements(out, in);
    for (int64_t e = 0; e < count; ++e) {
      ops::cpu::pack_panels(*ctx_.pool, weight.data.as<float>() + e * panels,
                            matrices + e * matrix_bytes, tensor.dtype, out, in);
    }
  }

  // On CUDA a tied LM head is the embedding table itself, with its padded rows.
  void tied_head(const TensorSpec& spec) {
    Weights& weights = placed_.weights;
    place(as_head(spec), weights.lm_head.weight);
    if (ctx_.on_cuda()) {
      weights.token_embedding = weights.lm_head.weight.data.first(config_.vocab_size);
    } else {
      place(spec, weights.token_embedding);
    }
  }

  TensorView upload_floats(const std::vector<float>& values) {
    TensorView view(nullptr, DType::kF32, {static_cast<int64_t>(values.size())});
    reserve(view);
    upload(ctx_, view.data, values.data(), view.bytes());
    synchronize(ctx_);
    return view;
  }

  // What attention needs besides its weights: one RoPE table for all layers that turn alike, and
  // ALiBi's slopes.
  void place_attention_tables(int64_t num_positions) {
    const Rotations rotations(config_);
    std::vector<RopeTable> tables;
    for (const RopeConfig& rope : rotations.configs) {
      RopeTable table{.interleaved = rope.interleaved};
      if (rope.rotary_dim > 0) {
        table.table = upload_floats(rope_table(ctx_, rope, num_positions));
        table.table = {table.table.data,
                       DType::kF32,
                       {rope_table_rows(rope, num_positions), rope.rotary_dim / 2, 2}};
      }
      tables.push_back(table);
    }
    std::vector<TensorView> slopes;
    for (const LayerConfig& kind : config_.layer_kinds) {
      slopes.push_back(has_alibi(kind) ? upload_floats(alibi_slopes(kind.attention))
                                       : TensorView());
    }
    for (size_t i = 0; i < config_.layers.size(); ++i) {
      LayerWeights& layer = placed_.weights.layers[i];
      const AttentionConfig& attention = config_.layer(static_cast<int64_t>(i)).attention;
      layer.rope = tables[rotations.of_kind[config_.layers[i]]];
      layer.attention.num_heads = static_cast<int>(attention.num_heads);
      layer.attention.num_kv_heads = static_cast<int>(attention.num_kv_heads);
      layer.attention.head_dim = static_cast<int>(attention.head_dim);
      layer.attention.scale = static_cast<float>(attention.scale);
      layer.attention.window = static_cast<int>(attention.window);
      layer.attention.softcap = static_cast<float>(attention.softcap);
      layer.attention.alibi_slopes = slopes[config_.layers[i]];
    }
  }

  const Context& ctx_;
  const ModelConfig& config_;
  DType dtype_;
  const TensorLoader& loader_;
  uint64_t seed_;
  uint64_t tensors_drawn_ = 0;
  PlacedWeights placed_;
  std::optional<LoaderAhead> ahead_;    // on CUDA, with a loader
  std::optional<TensorUpload> upload_;  // likewise
};

}  // namespace

const void* contiguous_data(HostTensor& tensor) {
  if (tensor.pieces.size() > 1) {
    int64_t count = 0;
    for (const HostTensor::Piece& piece : tensor.pieces) count += piece.count;
    const auto size = static_cast<int64_t>(dtype_size(tensor.dtype));
    const std::shared_ptr<std::byte[]> joined =
        std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(count * size));
    std::byte* out = joined.get();
    for (const HostTensor::Piece& piece : tensor.pieces) {
      std::memcpy(out, piece.data, static_cast<size_t>(piece.count * size));
      out += piece.count * size;
    }
    tensor.pieces = {{joined.get(), count}};
    tensor.owner = joined;
  }
  return tensor.pieces.front().data;
}

PlacedWeights load_weights(const Context& ctx, const ModelConfig& config, DType dtype,
                           int64_t num_positions, const TensorLoader& loader) {
  return WeightPlacer(ctx, config, dtype, loader, 0).place(num_positions);
}

PlacedWeights random_weights(const Context& ctx, const ModelConfig& config, DType dtype,
                             int64_t num_positions, uint64_t seed) {
  return WeightPlacer(ctx, config, dtype, {}, seed).place(num_positions);
}

int64_t padded_vocab_size(const Context& ctx, const ModelConfig& config) {
  return padded_rows(ctx, {.kind = TensorKind::kHead, .shape = {config.vocab_size}});
}

int64_t weight_bytes(const Context& ctx, const ModelConfig& config, DType dtype,
                     int64_t num_positions, bool from_checkpoint) {
  const auto element = static_cast<int64_t>(dtype_size(dtype));
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  const bool tables_as_stored = from_checkpoint && !ctx.on_cuda();
  const auto table_element =
      tables_as_stored ? static_cast<int64_t>(dtype_size(config.dtype)) : element;
  int64_t bytes = 0;
  Weights unplaced;
  visit_tensors(config, unplaced, [&](const TensorSpec& spec, const auto& /*slot*/) {
    const bool tied = is_tied_head(config, spec);
    if (spec.kind == TensorKind::kLogits) {
      bytes += spec.numel() * kFloat;
    } else if (spec.kind == TensorKind::kMatrix || spec.kind == TensorKind::kHead) {
      bytes += matrix_elements(ctx, spec) * element;
    } else if (spec.kind == TensorKind::kExperts) {
      bytes += expert_elements(ctx, spec) * element;
    } else if (tied && ctx.on_cuda()) {
      bytes += matrix_elements(ctx, as_head(spec)) * element;
    } else {
      if (tied) bytes += matrix_elements(ctx, as_head(spec)) * element;
      bytes += spec.numel() * (spec.kind == TensorKind::kTable ? table_element : element);
    }
  });
  for (const RopeConfig& rope : Rotations(config).configs) {
    bytes += rope_table_rows(rope, num_positions) * rope.rotary_dim * kFloat;
  }
  for (const LayerConfig& kind : config.layer_kinds) {
    if (has_alibi(kind)) bytes += kind.attention.num_heads * kFloat;
  }
  return bytes;
}

}  // namespace eet
