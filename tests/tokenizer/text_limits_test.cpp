// What one text may cost: what would take hours or gigabytes is that text's error.
#include <doctest/doctest.h>

#include "tests/app/temp_directory.h"
#include "tests/tokenizer/test_data.h"
#include "tokenizer/added_tokens.h"

using namespace eet;

TEST_CASE("a stretch that no pattern splits is bounded, and split text of the same length is not") {
  const auto tokenizer = load_tokenizer(kTalesGpt2);
  const size_t size = (size_t{8} << 20) + 1;
  CHECK_THROWS_WITH_AS(tokenizer->encode(std::string(size, 'a'), false),
                       doctest::Contains("expected stretches of at most 8388608 bytes"),
                       TokenizerError);
  std::string text(size, ' ');
  for (size_t i = 0; i < size; i += 2) text[i] = 'a';
  CHECK(tokenizer->encode(text, false).size() >= size / 2);
}

TEST_CASE("added tokens that are long and nearly in the text everywhere do not take for ever") {
  const AddedToken token{std::string(1 << 15, 'a') + "b", 7};
  const AddedTokens tokens(
      {token}, [](std::string_view text) { return std::string(text); }, "test");
  const auto count = [&](const std::string& text) {
    size_t segments = 0;
    tokens.split(text, false, [&](const TextSegment&) { ++segments; });
    return segments;
  };
  CHECK(count(token.content + "a" + token.content) == 3);
  CHECK_THROWS_WITH_AS(count(std::string(1 << 15, 'a')), doctest::Contains("too many steps"),
                       TokenizerError);
}

TEST_CASE("decoded text is bounded where the caller says so") {
  const auto tokenizer = load_tokenizer(kTalesGpt2);
  const std::vector<int32_t> ids = tokenizer->encode("Once upon a time", false);
  CHECK(tokenizer->decode(ids, false, 16) == "Once upon a time");
  CHECK_THROWS_WITH_AS(tokenizer->decode(ids, false, 15), doctest::Contains("at most 15 bytes"),
                       TokenizerError);
}
