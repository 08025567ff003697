// Files that are broken, contradict each other or ask for what is not supported.
#include <doctest/doctest.h>

#include "tests/app/temp_directory.h"
#include "tests/tokenizer/test_data.h"

using namespace eet;

namespace {

// The message that loading the sample's tokenizer.json with `patch` applied ends with.
std::string refusal(const char* patch) {
  nlohmann::json document = read_json(kTalesGpt2 / "tokenizer.json");
  document.merge_patch(nlohmann::json::parse(patch));
  const TempDirectory directory;
  directory.write("tokenizer.json", document.dump());
  try {
    load_tokenizer(directory.file(""));
  } catch (const TokenizerError& error) {
    return error.what();
  }
  return "accepted";
}

void check_refused(const char* patch, const char* message) {
  CAPTURE(patch);
  CHECK_MESSAGE(refusal(patch).find(message) != std::string::npos, refusal(patch));
}

}  // namespace

TEST_CASE("what is not understood in tokenizer.json is refused by name") {
  CHECK(refusal("{}") == "accepted");
  check_refused(R"({"pre_tokenizer": {"type": "Whitespaces"}})",
                "tokenizer.json: pre_tokenizer.type: expected ByteLevel, Split,");
  check_refused(R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split",
                    "pattern": {"Regex": "a"}, "behavior": "Merged"}]}})",
                "pre_tokenizer.pretokenizers[0].behavior: expected Removed,");
  check_refused(R"({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"},
                    "behavior": "Isolated"}})",
                "pre_tokenizer.pattern.Regex: the pattern does not compile");
  check_refused(R"({"pre_tokenizer": {"type": "Split", "pattern": {}, "behavior": "Isolated"}})",
                "pre_tokenizer.pattern.Regex: expected a string, got null");
  check_refused(R"({"pre_tokenizer": {"type": "Metaspace", "replacement": "ab",
                    "add_prefix_space": null}})",
                "pre_tokenizer.replacement: expected one character");
  check_refused(R"({"pre_tokenizer": {"type": "Metaspace", "replacement": "_",
                    "add_prefix_space": false}})",
                "pre_tokenizer.prepend_scheme: expected never");
  check_refused(R"({"pre_tokenizer": {"type": "FixedLength", "length": 0}})", "from 1 up");
  nlohmann::json steps;
  steps["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", nlohmann::json::array()}};
  for (int i = 0; i < 65; ++i) {
    steps["pre_tokenizer"]["pretokenizers"].push_back({{"type", "WhitespaceSplit"}});
  }
  check_refused(steps.dump().c_str(), "expected at most 64 members");
  check_refused(R"({"normalizer": {"type": "BertNormalizer"}})", "got \"BertNormalizer\"");
  check_refused(R"({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFX"}]}})",
                "normalizer.normalizers[0].type");
  check_refused(R"({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}})",
                "normalizer.precompiled_charsmap: expected a character map");
  check_refused(R"({"post_processor": {"type": "BertProcessor"}})", "got \"BertProcessor\"");
  check_refused(R"({"decoder": {"type": "CTC"}})", "got \"CTC\"");
  check_refused(R"({"model": {"type": "WordPiece"}})", "model.type: expected the model BPE");
  check_refused(R"({"model": {"type": "Unigram"}})", "model.vocab: expected an array");
  check_refused(R"({"model": {"dropout": 0.1}})", "model.dropout: expected null, got 0.1");
}

TEST_CASE("Sequences inside each other end somewhere") {
  std::string nested = R"({"type": "NFC"})";
  for (int depth = 0; depth < 1000; ++depth) {
    nested = R"({"type": "Sequence", "normalizers": [)" + nested + "]}";
  }
  check_refused((R"({"normalizer": )" + nested + "}").c_str(), "nested deeper than");
}

TEST_CASE("a template that the reference cannot apply is refused") {
  check_refused(R"({"post_processor": {"type": "TemplateProcessing",
                    "single": [{"Sequence": {"id": "B"}}]}})",
                "post_processor.single[0].Sequence.id: expected A");
  std::string texts = R"({"Sequence": {"id": "A"}})";
  for (int i = 0; i < 20; ++i) texts += R"(, {"Sequence": {"id": "A"}})";
  check_refused(
      (R"({"post_processor": {"type": "TemplateProcessing", "single": [)" + texts + "]}}").c_str(),
      "the text at most 8 times");
}

TEST_CASE("a tokenizer.json of wrong types is refused with the place") {
  check_refused(R"({"model": {"vocab": ["a"]}})", "model.vocab: expected an object, got an array");
  check_refused(R"({"model": {"vocab": {"zz": "1"}}})", "model.vocab.zz: expected a token id");
  check_refused(R"({"model": {"vocab": {"zz": -1}}})", "model.vocab.zz: expected a token id");
  check_refused(R"({"model": {"vocab": {"zz": 1.5}}})", "model.vocab.zz: expected a token id");
  check_refused(R"({"model": {"vocab": {"zz": 1e300}}})", "model.vocab.zz: expected a token id");
  check_refused(R"({"model": {"vocab": {"zz": 4294967296}}})",
                "model.vocab.zz: expected a token id");
  check_refused(R"({"model": {"vocab": {"zz": 18446744073709551615}}})", "model.vocab.zz");
  check_refused(R"({"model": {"vocab": {"zz": 5}}})", "id 5: expected one token");
  check_refused(R"({"model": {"merges": {}}})", "model.merges: expected an array, got an object");
  check_refused(R"({"model": {"merges": null}})", "model.merges: expected an array, got null");
  check_refused(R"({"model": {"merges": ["ab"]}})", "model.merges[0]: expected two tokens");
  check_refused(R"({"model": {"merges": [["a", "b", "c"]]}})", "expected a pair of tokens");
  check_refused(R"({"model": {"merges": [["a", "zzz"]]}})", "\"zzz\" is not in the vocabulary");
  check_refused(R"({"model": {"merges": [["zz", "zz"], ["zzzz", "zzzz"]]}})",
                "not in the vocabulary");
  check_refused(R"({"model": "BPE"})", "model: expected an object, got \"BPE\"");
  check_refused(R"({"added_tokens": [{"id": 4194304, "content": "x"}]})", "added_tokens[0].id");
  nlohmann::json long_token;
  std::string nine_million;
  while (nine_million.size() < 9'000'000) nine_million += std::string(1'000'000, 'x');
  long_token["added_tokens"] = {{{"id", 2048}, {"content", nine_million}}};
  check_refused(long_token.dump().c_str(), "have more than 8388608 bytes");
  check_refused(R"({"added_tokens": [{"id": 5000, "content": 1}]})", "added_tokens[0].content");
  check_refused(
      R"({"added_tokens": [{"id": 2048, "content": "x<"}, {"id": 2049, "content": "x<"}]})",
      "expected the vocabulary's id 2048, got 2049");
  check_refused(
      R"({"added_tokens": [{"id": 2048, "content": "x<"}, {"id": 2048, "content": "y<"}]})",
      "expected the next id, 2049, got 2048");
  check_refused(R"({"normalizer": {"type": "Strip", "strip_left": true, "strip_right": true},
                    "added_tokens": [{"id": 2048, "content": "  ", "normalized": true}]})",
                "added token \"  \": expected a normal form");
  check_refused(R"({"added_tokens": [{"id": 1, "content": "<x>"}]})",
                "expected the next id, 2048, got 1");
  check_refused(R"({"added_tokens": [{"id": 5000, "content": "a"}]})",
                "expected the vocabulary's id");
  check_refused(R"({"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken":
                    {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {}}})",
                "special_tokens.<s>.ids");
  check_refused(R"({"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken":
                    {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                    "special_tokens": {"<s>": {"ids": [5000]}}}})",
                "post_processor: expected ids from 0 to 2047, got 5000");
}

TEST_CASE("merges that give their own parts again do not run forever") {
  nlohmann::json document = read_json(kTalesGpt2 / "tokenizer.json");
  document["model"]["vocab"]["aa"] = 2048;
  document["model"]["merges"] = nlohmann::json::parse(R"([["a", "a"], ["aa", ""], ["", "a"]])");
  document["model"]["vocab"][""] = 2049;
  const TempDirectory directory;
  const auto tokenizer = load_tokenizer(directory.write("tokenizer.json", document.dump()));
  CHECK(tokenizer->encode("aaaa", false) == std::vector<int32_t>{2048, 2048});
}

TEST_CASE("truncated and random files are refused, whatever they hold") {
  const std::string json = read_text((kTalesGpt2 / "tokenizer.json").string());
  const std::string model = read_text((kTalesLlama / "tokenizer.model").string());
  for (size_t parts = 0; parts < 16; ++parts) {
    const TempDirectory directory;
    directory.write("tokenizer.json", json.substr(0, json.size() * parts / 16));
    CHECK_THROWS_WITH_AS(load_tokenizer(directory.file("")), doctest::Contains("not valid JSON"),
                         TokenizerError);
  }
  for (const std::string& content :
       {std::string(), std::string("garbage"), std::string(1000, '\xFF'), model.substr(0, 10000),
        std::string("version https://git-lfs.github.com/spec/v1\n")}) {
    const TempDirectory directory;
    directory.write("tokenizer.model", content);
    CHECK_THROWS_WITH_AS(load_tokenizer(directory.file("")),
                         doctest::Contains("expected a SentencePiece model"), TokenizerError);
  }
  const std::string deep(100000, '[');
  const TempDirectory directory;
  CHECK_THROWS_AS(load_tokenizer(directory.write("tokenizer.json", deep)), TokenizerError);
}

// `model` with `map` as its precompiled character map: a message that comes again is merged.
std::string with_character_map(const std::string& model, const std::string& map) {
  REQUIRE(map.size() < 100);
  const auto field = [](char number, const std::string& bytes) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
  };
  return model + field(3, field(2, map));
}

TEST_CASE("normalisation rules that point outside of themselves are refused") {
  const std::string model = read_text((kTalesLlama / "tokenizer.model").string());
  const std::string size("\x10\0\0\0", 4);
  const std::string units(16, '\0');
  const std::string texts("A\0", 2);
  const std::string short_trie = size + units + texts;  // no room for the root's children
  for (const std::string& map :
       {short_trie, size + units, size + units.substr(2), size.substr(1),
        std::string("\xF0\xFF\xFF\xFF", 4) + units, std::string(4, '\0') + texts}) {
    const TempDirectory directory;
    directory.write("tokenizer.model", with_character_map(model, map));
    CHECK_THROWS_WITH_AS(load_tokenizer(directory.file("")),
                         doctest::Contains("expected a SentencePiece model"), TokenizerError);
  }
  const TempDirectory directory;
  directory.write("tokenizer.model", with_character_map(model, ""));
  CHECK_NOTHROW(load_tokenizer(directory.file("")));
}

TEST_CASE("missing files are named") {
  const TempDirectory directory;
  CHECK_THROWS_WITH_AS(load_tokenizer(directory.file("")), doctest::Contains("no tokenizer"),
                       TokenizerError);
  CHECK_THROWS_WITH_AS(load_tokenizer(directory.file("nowhere")), doctest::Contains("no such file"),
                       TokenizerError);
  directory.write("vocab.json", R"({"a": 0})");
  CHECK_THROWS_WITH_AS(load_tokenizer(directory.file("")), doctest::Contains("merges.txt"),
                       TokenizerError);
  directory.write("merges.txt", "#version: 0.2\na b\n");
  CHECK_THROWS_WITH_AS(load_tokenizer(directory.file("")),
                       doctest::Contains("\"b\" is not in the vocabulary"), TokenizerError);
  directory.write("merges.txt", "#version: 0.2\na\n");
  CHECK_THROWS_WITH_AS(load_tokenizer(directory.file("")), doctest::Contains("line 2"),
                       TokenizerError);
  directory.write("merges.txt", "");
  CHECK(load_tokenizer(directory.file(""))->vocab_size() == 1);
  directory.write("tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizer"})");
  CHECK_THROWS_WITH_AS(load_tokenizer(directory.file("")), doctest::Contains("got CLIPTokenizer"),
                       TokenizerError);
}

TEST_CASE("a broken tokenizer_config.json is refused with the place") {
  const auto message = [](const char* config) -> std::string {
    const TempDirectory directory;
    std::filesystem::copy_file(kTalesLlama / "tokenizer.model", directory.file("tokenizer.model"));
    directory.write("tokenizer_config.json", config);
    try {
      load_tokenizer(directory.file(""));
    } catch (const TokenizerError& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK(message("{}") == "accepted");
  CHECK(message("[]").find("expected an object, got an array") != std::string::npos);
  CHECK(message("{").find("not valid JSON") != std::string::npos);
  CHECK(message(R"({"add_bos_token": "yes"})").find("expected true or false, got \"yes\"") !=
        std::string::npos);
  CHECK(message(R"({"bos_token": 1})").find("bos_token") != std::string::npos);
  CHECK(message(R"({"added_tokens_decoder": {"x": {"content": "a"}}})").find("as the key") !=
        std::string::npos);
  CHECK(message(R"({"added_tokens_decoder": {"99999999": {"content": "a"}}})").find("as the key") !=
        std::string::npos);
  CHECK(message(R"({"split_special_tokens": true})").find("split_special_tokens") !=
        std::string::npos);
}

TEST_CASE("of several forms in a directory the reference tokenizer's is taken") {
  const TempDirectory directory;
  std::filesystem::copy_file(kTalesGpt2 / "tokenizer.json", directory.file("tokenizer.json"));
  std::filesystem::copy_file(kTalesLlama / "tokenizer.model", directory.file("tokenizer.model"));
  directory.write("vocab.json", "{}");
  directory.write("merges.txt", "");
  CHECK(load_tokenizer(directory.file(""))->kind() == "byte-level BPE");
  CHECK(tokenizer_files(directory.file("")).size() == 4);
  directory.write("chat_template.jinja", "{{ messages }}");
  CHECK(tokenizer_files(directory.file("")).size() == 5);  // goes along when a model is converted
  std::filesystem::remove(directory.file("tokenizer.json"));
  CHECK(load_tokenizer(directory.file(""))->kind() == "SentencePiece");
  std::filesystem::remove(directory.file("tokenizer.model"));
  directory.write("vocab.json", R"({"a": 0})");
  CHECK(load_tokenizer(directory.file(""))->kind() == "byte-level BPE");
}
