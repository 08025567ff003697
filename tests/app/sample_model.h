// Where the tests of this room find models.
#pragma once

#include <string>

namespace eet {

// A model of the repository: the sample, or a smaller one for tests.
inline std::string sample_model(const std::string& name) {
  const std::string folder = name == "tales-llama" ? "/samples/models/" : "/tests/golden/models/";
  return EET_SOURCE_DIR + folder + name;
}

}  // namespace eet
