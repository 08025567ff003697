#include "weights_tools/formats/llama2c.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "lib/core/error.h"
#include "weights_tools/formats/safetensors.h"
#include "weights_tools/tensor_sources.h"

namespace eet {
namespace {

constexpr uint32_t kMagic = 0x616b3432;  // "ak42"; legacy files have none
constexpr size_t kLegacyHeaderBytes = 28;
constexpr size_t kHeaderBytes = 256;

struct Header {
  std::array<int32_t, 7>
      sizes{};  // dim, hidden_dim, layers, heads, kv heads, vocabulary, positions
  bool is_legacy = true;
  bool is_tied = true;
  size_t bytes = kLegacyHeaderBytes;
};

template <typename T>
T read_at(const MappedFile& file, size_t offset) {
  T value;
  require(file.bytes().size() >= offset + sizeof(T), file.path().string(),
          ": the file ends within its header");
  std::memcpy(&value, file.bytes().data() + offset, sizeof(T));
  return value;
}

Header read_header(const MappedFile& file) {
  using Sizes = std::array<int32_t, 7>;
  Header header;
  if (read_at<uint32_t>(file, 0) != kMagic) {
    header.sizes = read_at<Sizes>(file, 0);
    int32_t& vocab_size = header.sizes[5];
    header.is_tied = vocab_size > 0;
    if (vocab_size < 0 && vocab_size != INT32_MIN) vocab_size = -vocab_size;
    return header;
  }
  const auto version = read_at<int32_t>(file, 4);
  require(version == 1, file.path().string(),
          ": expected llama2.c version 1 or a legacy file, got ", "version ", version,
          "; export it again with --version 1");
  header.sizes = read_at<Sizes>(file, 8);
  header.is_legacy = false;
  header.is_tied = read_at<uint8_t>(file, 8 + sizeof(Sizes)) != 0;
  header.bytes = kHeaderBytes;
  return header;
}

ModelConfig make_config(const Header& header, const std::string& where) {
  const auto [dim, hidden_dim, layers, heads, kv_heads, vocab_size, positions] = header.sizes;
  for (int32_t size : header.sizes) {
    require(size > 0, where, ": not a llama2.c model: a size of ", size, " in its header");
  }
  require(dim % heads == 0, where, ": dim: expected a multiple of the ", heads, " heads, got ",
          dim);
  ModelConfig config;
  config.family = "llama";
  config.hidden_size = config.embedding_size = dim;
  config.vocab_size = vocab_size;
  config.max_position_embeddings = positions;
  config.norm.eps = 1e-5;
  config.tie_word_embeddings = header.is_tied;
  LayerConfig layer;
  layer.attention.num_heads = heads;
  layer.attention.num_kv_heads = kv_heads;
  layer.attention.head_dim = dim / heads;
  layer.attention.scale = 1.0 / std::sqrt(static_cast<double>(layer.attention.head_dim));
  layer.attention.rope.rotary_dim = dim / heads;
  layer.mlp.intermediate_size = hidden_dim;
  config.set_uniform_layers(layer, layers);
  for (int32_t id : {1, 2}) {
    if (id < vocab_size) config.eos_token_ids.push_back(id);
  }
  if (vocab_size > 1) config.bos_token_id = 1;
  validate(config, where + ": llama2.c header");
  return config;
}

// Hands out tensors in file order, under the names of llama2.c's model.py.
class Cursor {
 public:
  Cursor(std::shared_ptr<const MappedFile> file, size_t begin)
      : file_(std::move(file)), offset_(begin) {}

  void take(const std::string& name, const std::vector<int64_t>& shape) {
    int64_t elements = 1;
    for (int64_t dim : shape) elements *= dim;
    // Past the end of a short file nothing is read: finish() refuses it.
    const size_t begin = std::min(offset_, file_->bytes().size());
    tensors_.emplace(name,
                     StoredTensor{"F32", DType::kF32, shape, file_->bytes().data() + begin, file_});
    skip(elements);
  }

  void take_layers(const std::string& name, const ModelConfig& config,
                   const std::vector<int64_t>& shape) {
    for (int64_t layer = 0; layer < config.num_layers(); ++layer) {
      take(concat("layers.", layer, ".", name, ".weight"), shape);
    }
  }

  void skip(int64_t elements) { offset_ += static_cast<size_t>(elements) * sizeof(float); }

  // The tensors, once it is certain that the file is exactly as long as they are.
  StoredTensors finish() {
    require(offset_ == file_->bytes().size(), file_->path().string(), ": expected ", offset_,
            " bytes for the sizes in its header, got ", file_->bytes().size(),
            "; the file is truncated or no llama2.c model");
    return std::move(tensors_);
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  size_t offset_;
  StoredTensors tensors_;
};

StoredTensors read_tensors(const std::shared_ptr<const MappedFile>& file, const Header& header,
                           const ModelConfig& config) {
  const int64_t hidden = config.hidden_size;
  const int64_t kv = config.attention().kv_size();
  const int64_t intermediate = config.layer(0).mlp.intermediate_size;
  const std::vector<int64_t> norm = {hidden};
  const std::vector<int64_t> embedding = {config.vocab_size, hidden};
  Cursor cursor(file, header.bytes);
  const auto take_attention = [&] {
    cursor.take_layers("attention.wq", config, {hidden, hidden});
    cursor.take_layers("attention.wk", config, {kv, hidden});
    cursor.take_layers("attention.wv", config, {kv, hidden});
    cursor.take_layers("attention.wo", config, {hidden, hidden});
  };
  const auto take_mlp = [&] {
    cursor.take_layers("feed_forward.w1", config, {intermediate, hidden});
    cursor.take_layers("feed_forward.w2", config, {hidden, intermediate});
    cursor.take_layers("feed_forward.w3", config, {intermediate, hidden});
  };
  if (header.is_legacy) {
    cursor.take("tok_embeddings.weight", embedding);
    cursor.take_layers("attention_norm", config, norm);
    take_attention();
    cursor.take_layers("ffn_norm", config, norm);
    take_mlp();
    cursor.take("norm.weight", norm);
    cursor.skip(config.max_position_embeddings *
                config.attention().head_dim);  // RoPE's cos and sin
  } else {
    cursor.take_layers("attention_norm", config, norm);
    cursor.take_layers("ffn_norm", config, norm);
    cursor.take("norm.weight", norm);
    cursor.take("tok_embeddings.weight", embedding);
    take_attention();
    take_mlp();
  }
  if (!header.is_tied) cursor.take("output.weight", embedding);
  return cursor.finish();
}

NameMap name_map() {
  return {.tensors = {{TensorId::kTokenEmbedding, {"tok_embeddings"}},
                      {TensorId::kAttnNorm, {"layers.#.attention_norm"}},
                      {TensorId::kQkv,
                       {"layers.#.attention.wq", "layers.#.attention.wk", "layers.#.attention.wv"},
                       SourceLayout::kInterleavedPairs},
                      {TensorId::kAttnOut, {"layers.#.attention.wo"}},
                      {TensorId::kMlpNorm, {"layers.#.ffn_norm"}},
                      {TensorId::kMlpUp, {"layers.#.feed_forward.w1", "layers.#.feed_forward.w3"}},
                      {TensorId::kMlpDown, {"layers.#.feed_forward.w2"}},
                      {TensorId::kFinalNorm, {"norm"}},
                      {TensorId::kLmHead, {"output"}}}};
}

// The directory of `path` where it holds a tokenizer.model, else the only SentencePiece file there
// (stories260K comes with tok512.model).
std::filesystem::path find_tokenizer(const std::filesystem::path& path) {
  std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
  if (std::filesystem::exists(directory / "tokenizer.model")) return directory;
  std::vector<std::filesystem::path> models;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".model") models.push_back(entry.path());
  }
  return models.size() == 1 ? models.front() : directory;
}

}  // namespace

Checkpoint open_llama2c(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path, Links::kAnywhere);  // the user names it
  const Header header = read_header(*file);
  Checkpoint checkpoint;
  checkpoint.format = header.is_legacy ? "llama2.c legacy" : "llama2.c version 1";
  checkpoint.config = make_config(header, path.string());
  checkpoint.tokenizer_directory = find_tokenizer(path);
  bind_tensors(checkpoint, read_tensors(file, header, checkpoint.config), name_map(),
               path.string());
  return checkpoint;
}

}  // namespace eet
