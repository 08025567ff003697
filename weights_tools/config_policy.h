// What is done with keys of config.json that no reader asked for.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace eet {

// How a user wants configurations to be read.
struct ConfigPolicy {
  bool strict = false;  // keys of unknown meaning are refused, not named in a warning
  std::set<std::string> ignored =
      {};  // keys that are read as if they were absent; "outer.inner" too
};

enum class KeyMeaning {
  kHarmless,    // cannot change what a forward pass computes
  kArithmetic,  // changes it, or by its name may do so
  kUnknown,
};

// Harmless are names that begin with '_' and those that transformers' base configuration,
// exporters and trainers write. Arithmetic are the keys of the supported families' implementations
// and names that speak of scales, norms, biases, windows and the like. Both lists are generated
// (tests/weights_tools/make_config_keys.py).
KeyMeaning meaning_of_key(std::string_view key);

}  // namespace eet
