// Every family; a new one is a line here.
#pragma once

#include "weights_tools/families/family.h"

namespace eet {

extern const Family kGpt2Family;
extern const Family kLlamaFamily;

inline constexpr const Family* kFamilies[] = {&kGpt2Family, &kLlamaFamily};

}  // namespace eet
