#include <doctest/doctest.h>
#include <sentencepiece_processor.h>

#include "tests/app/temp_directory.h"
#include "tests/tokenizer/test_data.h"

using namespace eet;

namespace {

using Ids = std::vector<int32_t>;

// The sample's model beside the given tokenizer_config.json.
std::unique_ptr<Tokenizer> load_with_config(const char* config) {
  const TempDirectory directory;
  std::filesystem::copy_file(kTalesLlama / "tokenizer.model", directory.file("tokenizer.model"));
  directory.write("tokenizer_config.json", config);
  return load_tokenizer(directory.file(""));
}

Ids join(const std::vector<Ids>& parts) {
  Ids all;
  for (const Ids& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

void compare_with_library(const std::filesystem::path& model) {
  sentencepiece::SentencePieceProcessor library;
  REQUIRE(library.Load(model.string()).ok());
  const auto tokenizer = load_tokenizer(model);
  CHECK(tokenizer->vocab_size() == library.GetPieceSize());
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    Ids ids = random_ids(random, library.GetPieceSize(), round % 12);
    // Bytes, and word starts at the beginning, are where decoding is not plain concatenation.
    for (size_t i = 0; i < ids.size(); i += 2) ids[i] %= 300;
    std::string expected;
    REQUIRE(library.Decode(ids, &expected).ok());
    CHECK(tokenizer->decode(ids, false) == expected);
    CHECK(decode_in_steps(*tokenizer, ids, false) == expected);
  }
}

}  // namespace

TEST_CASE("the sample's golden prompts and texts come out of its SentencePiece model") {
  const auto tokenizer = load_tokenizer(kTalesLlama);
  CHECK(tokenizer->bos_id() == 1);
  CHECK(tokenizer->eos_id() == 2);
  for (const auto& row : read_json_lines(kTalesLlama / "golden.jsonl")) {
    const Ids greedy = row["greedy_token_ids"];
    CHECK(tokenizer->encode(row["prompt"].get<std::string>(), true) ==
          row["prompt_token_ids"].get<Ids>());
    CHECK(tokenizer->decode(greedy, true) == row["text"].get<std::string>());
    CHECK(decode_in_steps(*tokenizer, greedy, true) == row["text"].get<std::string>());
  }
}

TEST_CASE("a bare model decodes as the SentencePiece library does") {
  compare_with_library(kTalesLlama / "tokenizer.model");
  if (!has_shared_data()) return;
  compare_with_library(kShared / "tokenizers/llama2/tokenizer.model");
  compare_with_library(kShared / "models/llama-stories260k/tok512.model");
}

TEST_CASE("without a configuration control symbols are plain text, but for a BOS in front") {
  const auto bare = load_tokenizer(kTalesLlama / "tokenizer.model");
  CHECK(bare->encode("</s>", false).size() > 1);
  CHECK(bare->encode("<s>", false).size() > 1);
  CHECK(bare->encode_prompt("<s>hello") == bare->encode("hello", true));
  CHECK(bare->encode("hello", true) == join({{1}, bare->encode("hello", false)}));
  CHECK(bare->encode("", true) == Ids{1});
  CHECK(bare->decode(bare->encode("hello", true), false) == "hello");
}

TEST_CASE("the tokens that the configuration names are split off first") {
  const auto legacy = load_with_config(R"({"legacy": true})");
  const auto modern = load_with_config(R"({"legacy": false})");
  const Ids once = legacy->encode("Once", false);
  CHECK(legacy->encode("Once</s>Once", false) == join({once, {2}, once}));
  // Not legacy: only a text's beginning gets the space in front.
  const Ids second = modern->encode("</s>Once", false);
  CHECK(modern->encode("Once</s>Once", false) == join({once, second}));
  CHECK(second != join({{2}, once}));
  CHECK(modern->decode(modern->encode("Once</s>Once", false), false) == "Once</s>Once");
  CHECK(modern->decode(modern->encode("Once</s> Once", true), true) == "Once Once");
  CHECK(modern->decode(modern->encode("Once", true), false) == "<s> Once");
}

TEST_CASE("a prompt has one BOS, and only where the configuration wants it") {
  const auto standard = load_with_config("{}");
  CHECK(standard->encode_prompt("<s>Once") == standard->encode("<s>Once", false));
  CHECK(standard->encode("<s>Once", true) == join({{1}, standard->encode("<s>Once", false)}));
  CHECK(standard->encode("Once", true) == join({{1}, standard->encode("Once", false)}));
  const auto without = load_with_config(R"({"add_bos_token": false, "add_eos_token": true})");
  CHECK(without->encode("Once", true) == join({without->encode("Once", false), {2}}));
  const auto none = load_with_config(R"({"bos_token": null})");
  CHECK_FALSE(none->bos_id().has_value());
  CHECK(none->encode("Once", true) == none->encode("Once", false));
}

TEST_CASE("added tokens extend the vocabulary and take white space along") {
  const auto tokenizer = load_with_config(R"({"legacy": false, "added_tokens_decoder": {
      "2048": {"content": "<|im_start|>", "special": true},
      "2050": {"content": "<|im_end|>", "special": true, "lstrip": true, "rstrip": true}}})");
  CHECK(tokenizer->vocab_size() == 2051);
  CHECK(tokenizer->encode("<|im_start|><|im_end|>", false) == Ids{2048, 2050});
  CHECK(tokenizer->encode("  <|im_end|> \n <|im_start|>", false) == Ids{2050, 2048});
  CHECK(tokenizer->decode(Ids{2048, 2049, 2050}, false) == "<|im_start|><|im_end|>");
  CHECK(tokenizer->decode(Ids{2048, 2050}, true) == "");
  CHECK(tokenizer->is_special(2048));
  CHECK_FALSE(tokenizer->is_special(2049));
}
