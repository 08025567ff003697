#include "app/config_options.h"

#include <string>

namespace eet {

void add_config_options(CLI::App& command, ConfigPolicy& policy) {
  command
      .add_flag("--strict-config", policy.strict,
                "Refuse a config.json with keys whose meaning is not known, instead of naming them "
                "in a warning")
      ->group("Model");
  command
      .add_option_function<std::vector<std::string>>(
          "--ignore-config",
          [&policy](const std::vector<std::string>& keys) {
            policy.ignored.insert(keys.begin(), keys.end());
          },
          "Read config.json as if it had no such key: KEY or OUTER.KEY; may be given again")
      ->type_name("KEY")
      ->allow_extra_args(false)
      ->group("Model");
}

}  // namespace eet
