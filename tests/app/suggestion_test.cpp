// "Did you mean ...?"
#include "app/cli/suggestion.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

namespace eet {
namespace {

const std::vector<std::string> kCommands = {"generate", "validate", "score", "merge", "convert"};

TEST_CASE("slips of a letter or two are understood, and other words are not") {
  CHECK(suggest("generat", kCommands) == "generate");
  CHECK(suggest("genrate", kCommands) == "generate");
  CHECK(suggest("geenrate", kCommands) == "generate");  // a swap is one slip
  CHECK(suggest("conver", kCommands) == "convert");
  CHECK(suggest("scroe", kCommands) == "score");
  CHECK_FALSE(suggest("conjure", kCommands));
  CHECK_FALSE(suggest("", kCommands));
  CHECK_FALSE(suggest("x", kCommands));
  CHECK_FALSE(suggest(std::string(1000, 'g'), kCommands));
}

TEST_CASE("the nearest candidate is taken, and the first of equals") {
  const std::vector<std::string> flags = {"--top-p", "--top-k", "--stop"};
  CHECK(suggest("--top-l", flags) == "--top-p");
  CHECK(suggest("--topk", flags) == "--top-k");
}

TEST_CASE("the beginning of one candidate alone is that candidate") {
  CHECK(suggest("gen", kCommands) == "generate");
  CHECK_FALSE(suggest("gen", std::vector<std::string>{"generate", "genesis"}));
}

TEST_CASE("a message ends with the question, or with nothing") {
  CHECK(did_you_mean("generat", kCommands) == "; did you mean generate?");
  CHECK(did_you_mean("conjure", kCommands).empty());
}

}  // namespace
}  // namespace eet
