// Models that are refused by what is missing.
#include <array>
#include <utility>

#include "weights_tools/families/family.h"

namespace eet {
namespace {

constexpr std::string_view kExperts = "mixtures of experts of this kind";
constexpr std::string_view kLatentAttention = "multi-head latent attention";
constexpr std::string_view kLinearAttention = "linear attention or state spaces";
constexpr std::string_view kEncoder = "an encoder";
constexpr std::string_view kVision = "parts for images or audio";
constexpr std::string_view kPerLayerEmbeddings = "embeddings for each layer or shared key caches";

constexpr std::array<std::pair<std::string_view, std::string_view>, 64> kMissing = {{
    {"afmoe", kExperts},
    {"bamba", kLinearAttention},
    {"bart", kEncoder},
    {"bert", kEncoder},
    {"dbrx", kExperts},
    {"deepseek_v2", kLatentAttention},
    {"deepseek_v3", kLatentAttention},
    {"deepseek_v32", kLatentAttention},
    {"dots1", kExperts},
    {"ernie4_5_moe", kExperts},
    {"falcon_h1", kLinearAttention},
    {"falcon_mamba", kLinearAttention},
    {"flex_olmo", kExperts},
    {"gemma3n", kPerLayerEmbeddings},
    {"gemma3n_text", kPerLayerEmbeddings},
    {"gemma4", kPerLayerEmbeddings},
    {"gemma4_text", kPerLayerEmbeddings},
    {"glm4_moe", kExperts},
    {"glm4_moe_lite", kLatentAttention},
    {"glm4v", kVision},
    {"granitemoehybrid", kLinearAttention},
    {"hunyuan_v1_moe", kExperts},
    {"idefics3", kVision},
    {"internvl", kVision},
    {"jamba", kLinearAttention},
    {"kimi_k2", kLatentAttention},
    {"kimi_linear", kLinearAttention},
    {"lfm2", kLinearAttention},
    {"lfm2_moe", kLinearAttention},
    {"llama4", kExperts},
    {"llama4_text", kExperts},
    {"llava", kVision},
    {"llava_next", kVision},
    {"longcat_flash", kLatentAttention},
    {"mamba", kLinearAttention},
    {"mamba2", kLinearAttention},
    {"minicpm3", kLatentAttention},
    {"minimax", kLinearAttention},
    {"minimax_m2", kExperts},
    {"mistral3", kVision},
    {"mllama", kVision},
    {"mllama_text_model", kVision},
    {"nemotron_h", kLinearAttention},
    {"olmo_hybrid", kLinearAttention},
    {"paligemma", kVision},
    {"phi4_multimodal", kVision},
    {"phimoe", kExperts},
    {"pixtral", kVision},
    {"qwen2_5_vl", kVision},
    {"qwen2_audio", kVision},
    {"qwen2_vl", kVision},
    {"qwen3_5", kLinearAttention},
    {"qwen3_5_moe", kLinearAttention},
    {"qwen3_next", kLinearAttention},
    {"qwen3_vl", kVision},
    {"qwen3_vl_moe", kVision},
    {"recurrent_gemma", kLinearAttention},
    {"rwkv", kLinearAttention},
    {"smolvlm", kVision},
    {"t5", kEncoder},
    {"voxtral", kVision},
    {"whisper", kEncoder},
    {"zamba", kLinearAttention},
    {"zamba2", kLinearAttention},
}};

}  // namespace

std::string_view missing_feature(std::string_view model_type) {
  for (const auto& [type, missing] : kMissing) {
    if (type == model_type) return missing;
  }
  return {};
}

}  // namespace eet
