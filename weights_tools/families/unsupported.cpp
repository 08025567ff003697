// Models that are refused by what is missing.
#include <array>
#include <utility>

#include "weights_tools/families/family.h"

namespace eet {
namespace {

constexpr std::string_view kExperts = "mixtures of experts of this kind";
constexpr std::string_view kCorrection = "experts that a correction bias helps to choose";
constexpr std::string_view kChunks = "attention in chunks and experts with scaled inputs";
constexpr std::string_view kAttentionExperts = "mixtures of attention heads";
constexpr std::string_view kLatentAttention = "multi-head latent attention";
constexpr std::string_view kLinearAttention = "linear attention or state spaces";
constexpr std::string_view kEncoder = "an encoder";
constexpr std::string_view kVision = "parts for images or audio";
constexpr std::string_view kPerLayerEmbeddings = "embeddings for each layer or shared key caches";

constexpr std::array<std::pair<std::string_view, std::string_view>, 80> kMissing = {{
    {"afmoe", kCorrection},
    {"bamba", kLinearAttention},
    {"bart", kEncoder},
    {"bert", kEncoder},
    {"cohere2_moe", kExperts},
    {"dbrx", kExperts},
    {"deepseek", kExperts},
    {"deepseek_v2", kLatentAttention},
    {"deepseek_v3", kLatentAttention},
    {"deepseek_v32", kLatentAttention},
    {"deepseek_v4", kLatentAttention},
    {"deepseek_vl", kVision},
    {"dots1", kCorrection},
    {"ernie4_5_moe", kCorrection},
    {"ernie4_5_vl_moe", kVision},
    {"exaone_moe", kCorrection},
    {"falcon_h1", kLinearAttention},
    {"falcon_mamba", kLinearAttention},
    {"flex_olmo", kExperts},
    {"gemma3n", kPerLayerEmbeddings},
    {"gemma3n_text", kPerLayerEmbeddings},
    {"gemma4", kPerLayerEmbeddings},
    {"gemma4_text", kPerLayerEmbeddings},
    {"glm46v", kVision},
    {"glm4_moe", kCorrection},
    {"glm4_moe_lite", kLatentAttention},
    {"glm4v", kVision},
    {"glm4v_moe", kVision},
    {"glm_moe_dsa", kLatentAttention},
    {"granitemoe_swa", kExperts},
    {"granitemoehybrid", kLinearAttention},
    {"hunyuan_v1_moe", kExperts},
    {"hunyuan_vl", kVision},
    {"idefics3", kVision},
    {"internvl", kVision},
    {"jamba", kLinearAttention},
    {"jetmoe", kAttentionExperts},
    {"kimi_k2", kLatentAttention},
    {"kimi_linear", kLinearAttention},
    {"lfm2", kLinearAttention},
    {"lfm2_moe", kLinearAttention},
    {"lfm2_vl", kVision},
    {"llama4", kChunks},
    {"llama4_text", kChunks},
    {"llava", kVision},
    {"llava_next", kVision},
    {"longcat_flash", kLatentAttention},
    {"mamba", kLinearAttention},
    {"mamba2", kLinearAttention},
    {"minicpm3", kLatentAttention},
    {"minimax", kLinearAttention},
    {"minimax_m2", kCorrection},
    {"minimax_m3_vl", kVision},
    {"mistral3", kVision},
    {"mllama", kVision},
    {"mllama_text_model", kVision},
    {"nemotron_h", kLinearAttention},
    {"nllb_moe", kEncoder},
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
    {"qwen3_omni_moe", kVision},
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
