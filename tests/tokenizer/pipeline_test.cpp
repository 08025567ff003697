// Pipelines of every kind against what Hugging Face tokenizers gives, and the files around them.
#include <doctest/doctest.h>

#include "tests/app/temp_directory.h"
#include "tests/tokenizer/test_data.h"

using namespace eet;

namespace {

using Ids = std::vector<int32_t>;

// The sample's tokenizer.json with a template around texts, beside a tokenizer_config.json.
Ids encode_with_config(const char* config) {
  nlohmann::json document = read_json(kTalesGpt2 / "tokenizer.json");
  document["post_processor"] = nlohmann::json::parse(R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<|endoftext|>"}}, {"Sequence": {"id": "A"}}],
      "special_tokens": {"<|endoftext|>": {"ids": [0]}}})");
  const TempDirectory directory;
  directory.write("tokenizer.json", document.dump());
  directory.write("tokenizer_config.json", config);
  return load_tokenizer(directory.file(""))->encode("the king", true);
}

// A vocabulary of single characters behind `pre_tokenizer`, so that ids show where words begin.
std::unique_ptr<Tokenizer> word_level(const nlohmann::json& pre_tokenizer,
                                      std::initializer_list<const char*> words) {
  nlohmann::json document = {{"pre_tokenizer", pre_tokenizer}};
  document["model"] = {{"type", "WordLevel"}, {"unk_token", "?"}, {"vocab", {{"?", 0}}}};
  int id = 1;
  for (const char* word : words) document["model"]["vocab"][word] = id++;
  const TempDirectory directory;
  return load_tokenizer(directory.write("tokenizer.json", document.dump()));
}

// tokenizer.json of a golden, with the vocabulary and merges that `shared` keeps for several.
nlohmann::json whole_tokenizer(nlohmann::json tokenizer, const nlohmann::json& shared) {
  nlohmann::json& model = tokenizer["model"];
  const nlohmann::json& vocabulary = shared["vocabularies"].at(model["vocab"].get<size_t>());
  if (model["type"] == "Unigram") {
    model["vocab"] = vocabulary;
  } else {
    model["vocab"] = nlohmann::json::object();
    for (size_t id = 0; id < vocabulary.size(); ++id) {
      model["vocab"][vocabulary[id].get<std::string>()] = id;
    }
  }
  if (model.contains("merges")) {
    model["merges"] = nlohmann::json(shared["merges"].at(model["merges"].get<size_t>()));
  }
  return tokenizer;
}

nlohmann::json split_at(const char* regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}};
}

}  // namespace

TEST_CASE("random pipelines give the ids and texts of Hugging Face tokenizers") {
  size_t rows = 0;
  const auto lines = read_json_lines(kSource / "tests/tokenizer/pipeline_goldens.jsonl");
  for (size_t line = 1; line < lines.size(); ++line) {
    const nlohmann::json& golden = lines[line];
    const TempDirectory directory;
    const auto tokenizer = load_tokenizer(
        directory.write("tokenizer.json", whole_tokenizer(golden["tokenizer"], lines[0]).dump()));
    const nlohmann::json& pipeline = golden["tokenizer"];
    for (const auto& row : golden["rows"]) {
      CAPTURE(pipeline);
      CAPTURE(row["text"]);
      const auto text = row["text"].get<std::string>();
      const Ids ids = row["ids"];
      CHECK(tokenizer->encode(text, false) == ids);
      CHECK(tokenizer->encode(text, true) == ids_with_special(row));
      if (row["decoded"].is_null()) continue;  // the reference fails
      CHECK(tokenizer->decode(ids, false) == row["decoded"].get<std::string>());
      CHECK(decode_in_steps(*tokenizer, ids, false) == row["decoded"].get<std::string>());
      ++rows;
    }
  }
  CHECK(rows > 700);
}

TEST_CASE("beside tokenizer.json the flags of tokenizer_config.json say nothing") {
  const Ids expected = encode_with_config("{}");
  CHECK(expected.front() == 0);
  for (const char* name : {"PreTrainedTokenizerFast", "GPT2Tokenizer", "Qwen2Tokenizer"}) {
    const std::string config = std::string(R"({"bos_token": "<|endoftext|>", "eos_token":
        "<|endoftext|>", "add_bos_token": false, "add_eos_token": true, "tokenizer_class": ")") +
                               name + "\"}";
    CHECK(encode_with_config(config.c_str()) == expected);
  }
}

TEST_CASE("tokenizer.json goes before tokenizer.model") {
  const TempDirectory directory;
  std::filesystem::copy_file(kTalesGpt2 / "tokenizer.json", directory.file("tokenizer.json"));
  std::filesystem::copy_file(kTalesLlama / "tokenizer.model", directory.file("tokenizer.model"));
  CHECK(load_tokenizer(directory.file(""))->encode("the king", false) ==
        load_tokenizer(kTalesGpt2)->encode("the king", false));
}

TEST_CASE("LlamaTokenizer puts a space before the text only, whatever its tokenizer.json says") {
  const nlohmann::json document = nlohmann::json::parse(R"({
      "added_tokens": [{"id": 0, "content": "</s>", "special": true}],
      "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
      "decoder": {"type": "Metaspace", "replacement": "▁"},
      "model": {"type": "BPE", "byte_fallback": true, "vocab": {"</s>": 0, "▁": 1, "a": 2, "▁a": 3},
                "merges": [["▁", "a"]]}})");
  const auto encode = [&](const char* config) {
    const TempDirectory directory;
    directory.write("tokenizer.json", document.dump());
    directory.write("tokenizer_config.json", config);
    return load_tokenizer(directory.file(""))->encode("a</s>a", false);
  };
  CHECK(encode(R"({"tokenizer_class": "LlamaTokenizer"})") == Ids{3, 0, 2});
  CHECK(encode(R"({"tokenizer_class": "LlamaTokenizerFast", "legacy": true})") == Ids{3, 0, 3});
  CHECK(encode(R"({"tokenizer_class": "LlamaTokenizer", "add_prefix_space": false})") ==
        Ids{2, 0, 2});
  CHECK(encode(R"({"tokenizer_class": "PreTrainedTokenizerFast"})") == Ids{3, 0, 3});
}

TEST_CASE("split patterns are Oniguruma's") {
  const auto words = {"the", "ki", "k", "n", "g", "ing", "afe", "o", "ath", "kin"};
  const auto encode = [&](const char* regex, const char* text) {
    return word_level(split_at(regex), words)->encode(text, false);
  };
  CHECK(encode("[a-z&&[^k]]+", "kingk") == Ids{3, 6, 3});  // class intersection
  CHECK(encode("[a[th]]+", "athking") == Ids{9, 0});       // nested classes
  CHECK(encode("\\h+", "oafeo") == Ids{8, 7, 8});          // a hexadecimal digit
  CHECK(encode("[a-z]{,3}", "theking") == Ids{1, 10, 5});  // up to
}

TEST_CASE("characters are those of the reference's Unicode") {
  // U+1FAE9 came with Unicode 16, U+11B60 is no symbol in it.
  CHECK(word_level(split_at("\\p{S}"), {"a", "\U0001FAE9"})->encode("a\U0001FAE9", false) ==
        Ids{1, 2});
  CHECK(word_level(split_at("\\p{Garay}+"), {"a", "\U00010D50"})->encode("a\U00010D50", false) ==
        Ids{1, 2});
}

TEST_CASE("a pattern that backtracks without end fails its row only") {
  const auto tokenizer = word_level(split_at("(a|aa)+$"), {"b"});
  const std::string text = std::string(64, 'a') + '!';
  CHECK_THROWS_WITH_AS(tokenizer->encode(text, false), doctest::Contains("gave up"),
                       TokenizerError);
  CHECK(tokenizer->encode("b", false) == Ids{1});
}

TEST_CASE("normalizers that make much of a little text fail its row only") {
  nlohmann::json replace = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}};
  replace["content"] = std::string(100, 'a');
  nlohmann::json document = {{"normalizer", {{"type", "Sequence"}}}};
  document["normalizer"]["normalizers"] = {replace, replace, replace};
  document["model"] = {{"type", "WordLevel"}, {"unk_token", "b"}, {"vocab", {{"b", 0}}}};
  const TempDirectory directory;
  const auto tokenizer = load_tokenizer(directory.write("tokenizer.json", document.dump()));
  CHECK_THROWS_WITH_AS(tokenizer->encode("a", false), doctest::Contains("expected normalizers to"),
                       TokenizerError);
  CHECK(tokenizer->encode("b", false) == Ids{0});
}

TEST_CASE("a word that no vocabulary has is an error where there is no unknown token") {
  const TempDirectory directory;
  const auto tokenizer = load_tokenizer(directory.write(
      "tokenizer.json",
      R"({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "<unk>"}})"));
  CHECK(tokenizer->encode("a", false) == Ids{0});
  CHECK_THROWS_WITH_AS(tokenizer->encode("b", false), doctest::Contains("<unk>"), TokenizerError);
}

TEST_CASE("a row of byte tokens is final when it has ended") {
  nlohmann::json document = nlohmann::json::parse(R"({"decoder": {"type": "ByteFallback"},
      "model": {"type": "BPE", "byte_fallback": true, "merges": [],
                "vocab": {"a": 0, "<0xC3>": 1, "<0xA9>": 2}}})");
  const TempDirectory directory;
  const auto tokenizer = load_tokenizer(directory.write("tokenizer.json", document.dump()));
  IncrementalDecoder decoder(*tokenizer, false);
  CHECK(decoder.push(1) == "");
  CHECK(decoder.push(2) == "");  // a byte more would make three U+FFFD of it
  CHECK(decoder.push(0) ==
        "\u00E9"
        "a");
  CHECK(tokenizer->decode(Ids{1, 2, 1}, false) == "\uFFFD\uFFFD\uFFFD");
}

TEST_CASE("a prompt has one BOS, an encoded text as many as the reference gives") {
  nlohmann::json document = read_json(kTalesGpt2 / "tokenizer.json");
  document["post_processor"] = nlohmann::json::parse(
      R"({"type": "RobertaProcessing", "cls": ["<|endoftext|>", 0], "sep": ["<|endoftext|>", 0]})");
  const TempDirectory directory;
  const auto tokenizer = load_tokenizer(directory.write("tokenizer.json", document.dump()));
  const Ids a = tokenizer->encode("a", false);
  CHECK(tokenizer->encode("<|endoftext|>a", true) == Ids{0, 0, a[0], 0});
  CHECK(tokenizer->encode_prompt("<|endoftext|>a") == Ids{0, a[0], 0});
  CHECK(tokenizer->encode_prompt("a") == Ids{0, a[0], 0});
}
