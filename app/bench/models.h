// The models that a benchmark runs, with their own weights or random ones.
#pragma once

#include <string>
#include <vector>

#include "lib/model/config.h"
#include "lib/model/weights.h"
#include "weights_tools/config_policy.h"

namespace eet {

struct BenchModel {
  std::string name;
  std::string path = {};  // empty for a built-in shape
  ModelConfig config = {};
  TensorLoader loader = {};  // empty: random weights
};

// A checkpoint, whose files stay mapped while the loader lives.
BenchModel open_bench_model(const std::string& path, const ConfigPolicy& policy = {});

// Only the shape: of a config.json, or of a directory that holds one. A warning about the
// checkpoint's weights is of no concern here.
BenchModel open_bench_shape(const std::string& path, const ConfigPolicy& policy = {});

// The shape of the EET paper's chart (hidden 1024, 24 layers: GPT-2 medium), GPT-2 124M and XL.
std::vector<BenchModel> paper_shapes();

}  // namespace eet
