#include "lib/model/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <optional>

#include "lib/core/error.h"
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

// Places tensors on the device, from a loader or drawn at random, and counts their bytes.
class WeightPlacer {
 public:
  WeightPlacer(const Context& ctx, const ModelConfig& config, DType dtype,
               const TensorLoader& loader, uint64_t seed)
      : ctx_(ctx), config_(config), dtype_(dtype), loader_(loader), seed_(seed) {
    if (!ctx.on_cuda() || !loader) return;
    ahead_.emplace(loader_, tensor_specs(config));
    upload_.emplace(ctx);
  }

  Weights take() { return std::move(weights_); }

  // A vector: norm weights and biases.
  TensorView vector(const std::string& name, int64_t size) {
    TensorView view = reserve({size});
    if (loader_) {
      copy_in(view, load(name, {size}));
    } else if (name.ends_with(".weight")) {
      ops::fill_normal(ctx_, view, 1.0F, 0.0F, next_seed());
    } else {
      fill_bytes(ctx_, view.data, 0, view.bytes());
    }
    return view;
  }

  NormWeights norm(const std::string& name) {
    NormWeights norm;
    norm.weight = vector(name + ".weight", config_.hidden_size);
    if (config_.norm_bias) norm.bias = vector(name + ".bias", config_.hidden_size);
    return norm;
  }

  LinearWeights linear(const std::string& name, int64_t out, int64_t in, bool bias) {
    LinearWeights linear;
    linear.weight = matrix(name + ".weight", out, in, 1);
    if (bias) linear.bias = vector(name + ".bias", out);
    return linear;
  }

  // A matrix in the layout products want.
  LinearWeight matrix(const std::string& name, int64_t out, int64_t in, int64_t row_multiple) {
    LinearWeight weight{.in_features = in, .out_features = out};
    weight.padded_out = ctx_.on_cuda() ? round_up(out, row_multiple) : out;
    if (!ctx_.on_cuda()) {
      weight.data = reserve({ops::cpu::panel_elements(out, in)});
      if (loader_) {
        HostTensor tensor = load(name, {out, in});
        ops::cpu::pack_panels(*ctx_.pool, weight.data.as<float>(), contiguous_data(tensor),
                              tensor.dtype, out, in);
      } else {
        ops::fill_normal(ctx_, weight.data, 0.0F, kRandomStddev, next_seed());
      }
    } else {
      weight.data = reserve({weight.padded_out, in});
      if (loader_) {
        copy_in(weight.data.first(out), load(name, {out, in}));
      } else {
        ops::fill_normal(ctx_, weight.data.first(out), 0.0F, kRandomStddev, next_seed());
      }
      const int64_t used = out * in * static_cast<int64_t>(dtype_size(dtype_));
      fill_bytes(ctx_, weight.data.as<std::byte>() + used, 0, weight.data.bytes() - used);
    }
    return weight;
  }

  // An embedding table: rows are looked up one by one. On the CPU it keeps the checkpoint's type,
  // but not its memory: a view of a mapped file would change, or go away, with the file.
  TensorView table(const std::string& name, int64_t rows, int64_t columns) {
    if (!ctx_.on_cuda() && loader_) {
      HostTensor tensor = load(name, {rows, columns});
      TensorView view(nullptr, tensor.dtype, {rows, columns});
      weights_.storage.push_back(allocate(ctx_, view.bytes(), "model weights"));
      weights_.bytes += view.bytes();
      view.data = weights_.storage.back().data();
      copy_pieces(view, tensor);
      return view;
    }
    TensorView view = reserve({rows, columns});
    if (loader_) {
      copy_in(view, load(name, {rows, columns}));
    } else {
      ops::fill_normal(ctx_, view, 0.0F, kRandomStddev, next_seed());
    }
    return view;
  }

  // On CUDA a tied LM head is the embedding table itself, with its padded rows.
  void tied_head() {
    const std::string name = "token_embedding.weight";
    weights_.lm_head = matrix(name, config_.vocab_size, config_.hidden_size, kHeadRowMultiple);
    weights_.token_embedding = ctx_.on_cuda()
                                   ? weights_.lm_head.data.first(config_.vocab_size)
                                   : table(name, config_.vocab_size, config_.hidden_size);
  }

  void untied_head() {
    weights_.lm_head =
        matrix("lm_head.weight", config_.vocab_size, config_.hidden_size, kHeadRowMultiple);
  }

  TensorView rope_table(int64_t num_positions);

  Weights weights_;

 private:
  static constexpr float kRandomStddev = 0.02F;

  uint64_t next_seed() { return seed_ + 0x9E3779B97F4A7C15ULL * ++tensors_drawn_; }

  TensorView reserve(std::initializer_list<int64_t> shape) {
    TensorView view(nullptr, dtype_, shape);
    weights_.storage.push_back(allocate(ctx_, view.bytes(), "model weights"));
    weights_.bytes += view.bytes();
    view.data = weights_.storage.back().data();
    return view;
  }

  HostTensor load(const std::string& name, std::vector<int64_t> shape) {
    const TensorSpec spec{name, std::move(shape)};
    return ahead_ ? ahead_->load(spec) : loader_(spec);
  }

  void copy_in(const TensorView& view, HostTensor tensor) {
    if (upload_) return upload_->upload(view, tensor);
    convert_elements(view.data, view.dtype, contiguous_data(tensor), tensor.dtype, view.numel());
  }

  // The elements as they are.
  void copy_pieces(const TensorView& view, const HostTensor& tensor) {
    const auto size = static_cast<int64_t>(dtype_size(tensor.dtype));
    auto* out = view.as<std::byte>();
    for (const HostTensor::Piece& piece : tensor.pieces) {
      const int64_t bytes = piece.count * size;
      const int64_t chunk = int64_t{1} << 22;
      ctx_.pool->parallel_for((bytes + chunk - 1) / chunk, [&](int64_t i) {
        const int64_t begin = i * chunk;
        std::memcpy(out + begin, static_cast<const std::byte*>(piece.data) + begin,
                    static_cast<size_t>(std::min(chunk, bytes - begin)));
      });
      out += bytes;
    }
  }

  const Context& ctx_;
  const ModelConfig& config_;
  DType dtype_;
  const TensorLoader& loader_;
  uint64_t seed_;
  uint64_t tensors_drawn_ = 0;
  std::optional<LoaderAhead> ahead_;    // on CUDA, with a loader
  std::optional<TensorUpload> upload_;  // likewise
};

// Inverse frequencies as transformers' modeling_rope_utils computes them: theta^(-2i/d), then
// `linear` divides all of them by factor; `llama3` divides those of wavelengths above
// original/low_freq_factor, keeps those below original/high_freq_factor, and blends in between.
std::vector<double> inverse_frequencies(const RopeConfig& rope, int64_t head_dim) {
  std::vector<double> frequencies(head_dim / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    double f = std::pow(rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    if (rope.scaling == RopeConfig::Scaling::kLinear) {
      f /= rope.factor;
    } else if (rope.scaling == RopeConfig::Scaling::kLlama3) {
      const auto original = static_cast<double>(rope.original_max_position_embeddings);
      const double wavelength = 2.0 * std::numbers::pi / f;
      const double smooth = (original / wavelength - rope.low_freq_factor) /
                            (rope.high_freq_factor - rope.low_freq_factor);
      if (wavelength > original / rope.low_freq_factor) {
        f /= rope.factor;
      } else if (wavelength >= original / rope.high_freq_factor) {
        f = (1.0 - smooth) * f / rope.factor + smooth * f;
      }
    }
    frequencies[i] = f;
  }
  return frequencies;
}

TensorView WeightPlacer::rope_table(int64_t num_positions) {
  const int64_t half = config_.head_dim / 2;
  const std::vector<double> frequencies = inverse_frequencies(config_.rope, config_.head_dim);
  std::vector<float> table(num_positions * half * 2);
  ctx_.pool->parallel_for(num_positions, [&](int64_t position) {
    for (int64_t i = 0; i < half; ++i) {
      // The reference multiplies in fp32; so do we, that long contexts round alike.
      const float angle = static_cast<float>(position) * static_cast<float>(frequencies[i]);
      table[(position * half + i) * 2] = std::cos(angle);
      table[(position * half + i) * 2 + 1] = std::sin(angle);
    }
  });
  TensorView view(nullptr, DType::kF32, {num_positions, half, 2});
  weights_.storage.push_back(allocate(ctx_, view.bytes(), "RoPE table"));
  weights_.bytes += view.bytes();
  view.data = weights_.storage.back().data();
  upload(ctx_, view.data, table.data(), view.bytes());
  synchronize(ctx_);
  return view;
}

Weights place_weights(const Context& ctx, const ModelConfig& config, DType dtype,
                      int64_t num_positions, const TensorLoader& loader, uint64_t seed) {
  WeightPlacer placer(ctx, config, dtype, loader, seed);
  Weights& weights = placer.weights_;
  const int64_t hidden = config.hidden_size;
  // In the order of tensor_specs(), so that the loader can work ahead.
  if (config.tie_word_embeddings) {
    placer.tied_head();
  } else {
    weights.token_embedding = placer.table("token_embedding.weight", config.vocab_size, hidden);
  }
  if (config.position == PositionKind::kLearned) {
    weights.position_embedding =
        placer.table("position_embedding.weight", config.max_position_embeddings, hidden);
  } else {
    weights.rope_table = placer.rope_table(num_positions);
  }
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string prefix = "layers." + std::to_string(i) + ".";
    const int64_t up_size = config.intermediate_size * (config.gated_mlp ? 2 : 1);
    LayerWeights layer;
    layer.attn_norm = placer.norm(prefix + "attn_norm");
    layer.qkv = placer.linear(prefix + "qkv", config.qkv_size(), hidden, config.qkv_bias);
    layer.attn_out = placer.linear(prefix + "attn_out", hidden, config.attention_size(),
                                   config.attention_out_bias);
    layer.mlp_norm = placer.norm(prefix + "mlp_norm");
    layer.mlp_up = placer.linear(prefix + "mlp_up", up_size, hidden, config.mlp_bias);
    layer.mlp_down =
        placer.linear(prefix + "mlp_down", hidden, config.intermediate_size, config.mlp_bias);
    weights.layers.push_back(layer);
  }
  weights.final_norm = placer.norm("final_norm");
  if (!config.tie_word_embeddings) placer.untied_head();
  synchronize(ctx);
  return placer.take();
}

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

Weights load_weights(const Context& ctx, const ModelConfig& config, DType dtype,
                     int64_t num_positions, const TensorLoader& loader) {
  return place_weights(ctx, config, dtype, num_positions, loader, 0);
}

Weights random_weights(const Context& ctx, const ModelConfig& config, DType dtype,
                       int64_t num_positions, uint64_t seed) {
  return place_weights(ctx, config, dtype, num_positions, {}, seed);
}

}  // namespace eet
