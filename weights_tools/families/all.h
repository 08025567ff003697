// Every family; a new one is a line here.
#pragma once

#include "weights_tools/families/family.h"

namespace eet {

extern const Family kBloomFamily;
extern const Family kCohereFamily;
extern const Family kExaone4Family;
extern const Family kFalconFamily;
extern const Family kGemmaFamily;
extern const Family kGemma2Family;
extern const Family kGemma3Family;
extern const Family kGemma3MultimodalFamily;
extern const Family kGpt2Family;
extern const Family kGptjFamily;
extern const Family kGptNeoxFamily;
extern const Family kGptOssFamily;
extern const Family kGraniteFamily;
extern const Family kLlamaFamily;
extern const Family kMixtralFamily;
extern const Family kNemotronFamily;
extern const Family kOlmoFamily;
extern const Family kOlmo2Family;
extern const Family kOlmoeFamily;
extern const Family kOptFamily;
extern const Family kPhiFamily;
extern const Family kPhi3Family;
extern const Family kQwenMoeFamily;
extern const Family kSeedOssFamily;
extern const Family kSmolLm3Family;
extern const Family kStableLmFamily;
extern const Family kStarcoder2Family;

inline constexpr const Family* kFamilies[] = {
    &kBloomFamily,   &kCohereFamily,   &kExaone4Family,   &kFalconFamily,
    &kGemmaFamily,   &kGemma2Family,   &kGemma3Family,    &kGemma3MultimodalFamily,
    &kGpt2Family,    &kGptjFamily,     &kGptNeoxFamily,   &kGptOssFamily,
    &kGraniteFamily, &kLlamaFamily,    &kMixtralFamily,   &kNemotronFamily,
    &kOlmoFamily,    &kOlmo2Family,    &kOlmoeFamily,     &kOptFamily,
    &kPhiFamily,     &kPhi3Family,     &kQwenMoeFamily,   &kSeedOssFamily,
    &kSmolLm3Family, &kStableLmFamily, &kStarcoder2Family};

}  // namespace eet
