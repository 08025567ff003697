#include "tokenizer/gguf_vocabulary.h"

#include <doctest/doctest.h>
#include <sentencepiece_processor.h>

#include <nlohmann/json.hpp>

#include "app/job/text/model_tokenizer.h"
#include "tests/app/temp_directory.h"
#include "tests/tokenizer/test_data.h"

using namespace eet;

namespace {

using Ids = std::vector<int32_t>;

// Byte-level BPE with tokens of one byte, one merge, and special tokens.
GgufVocabulary small_bpe() {
  GgufVocabulary vocabulary;
  vocabulary.file = "x.gguf";
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  vocabulary.tokens = {"a", "b", "ab", "\u0120", "<s>", "</s>", "<tool>"};
  vocabulary.types = {1, 1, 1, 1, 3, 3, 4};
  vocabulary.merges = {"a b"};
  vocabulary.bos_id = 4;
  vocabulary.eos_id = 5;
  return vocabulary;
}

// SentencePiece BPE; a second unknown token and padding are as some files have them.
GgufVocabulary small_sentencepiece() {
  GgufVocabulary vocabulary;
  vocabulary.file = "x.gguf";
  vocabulary.model = "llama";
  vocabulary.tokens = {"<unk>", "<s>",      "</s>",   "\u2581", "a", "b",
                       "ab",    "\u2581ab", "<|im|>", "[PAD9]", ""};
  vocabulary.scores = {0, 0, 0, -4, -5, -6, -1, -2, 0, -10, -10};
  vocabulary.types = {3, 3, 3, 1, 1, 1, 1, 1, 4, 2, 5};
  vocabulary.bos_id = 1;
  vocabulary.eos_id = 2;
  vocabulary.unk_id = 0;
  return vocabulary;
}

std::string message_of(const GgufVocabulary& vocabulary) {
  try {
    load_tokenizer(vocabulary);
  } catch (const TokenizerError& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("byte-level BPE of a GGUF file encodes, and adds the tokens that the file says") {
  GgufVocabulary vocabulary = small_bpe();
  CHECK(load_tokenizer(vocabulary)->kind() == "byte-level BPE");
  CHECK(load_tokenizer(vocabulary)->encode("ab<tool>b a</s>", true) == Ids{2, 6, 1, 3, 0, 5});
  vocabulary.add_bos = vocabulary.add_eos = true;
  const auto tokenizer = load_tokenizer(vocabulary);
  CHECK(tokenizer->encode("ab", true) == Ids{4, 2, 5});
  CHECK(tokenizer->encode("ab", false) == Ids{2});
  CHECK(tokenizer->bos_id() == 4);
  CHECK(tokenizer->eos_id() == 5);
  CHECK(tokenizer->is_special(5));
  CHECK_FALSE(tokenizer->is_special(6));
  CHECK(tokenizer->decode(Ids{4, 2, 3, 6, 5}, true) == "ab <tool>");
}

TEST_CASE("Llama 3's words stay whole and get a BOS unless the file says otherwise") {
  GgufVocabulary vocabulary = small_bpe();
  vocabulary.pre = "llama-bpe";
  vocabulary.merges = {};
  CHECK(load_tokenizer(vocabulary)->encode("ab", true) == Ids{4, 2});
  vocabulary.add_bos = false;
  CHECK(load_tokenizer(vocabulary)->encode("ab", true) == Ids{2});
}

TEST_CASE("SentencePiece of a GGUF file encodes with a space before the text, or without") {
  GgufVocabulary vocabulary = small_sentencepiece();
  const auto tokenizer = load_tokenizer(vocabulary);
  CHECK(tokenizer->kind() == "SentencePiece");
  CHECK(tokenizer->encode("ab<|im|>ab", true) == Ids{1, 7, 8, 6});
  CHECK(tokenizer->decode(Ids{1, 7, 8, 6, 2}, true) == "ab<|im|>ab");
  vocabulary.add_space_prefix = false;
  vocabulary.add_bos = false;
  CHECK(load_tokenizer(vocabulary)->encode("ab", true) == Ids{6});
}

// As tokenizer_config.json of Phi-3-mini says, of every added token but three.
TEST_CASE("special tokens of Phi-3 take the white space after them along") {
  GgufVocabulary vocabulary = small_sentencepiece();
  CHECK(load_tokenizer(vocabulary)->encode("<|im|> \n ab", false) == Ids{8, 3, 0, 7});
  vocabulary.architecture = "phi3";
  CHECK(load_tokenizer(vocabulary)->encode("<|im|> \n ab", false) == Ids{8, 6});
  CHECK(load_tokenizer(vocabulary)->encode("</s> ab", false) == Ids{2, 6});
  CHECK(load_tokenizer(vocabulary)->encode("<s> ab", false) == Ids{1, 7});
}

TEST_CASE("the files written for a GGUF tokenizer give the same tokenizer") {
  for (GgufVocabulary vocabulary : {small_bpe(), small_sentencepiece()}) {
    vocabulary.chat_template = "{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}";
    vocabulary.add_bos = true;
    const TempDirectory directory;
    for (const TextFile& file : tokenizer_files(vocabulary)) {
      directory.write(file.name, file.contents);
    }
    const auto original = load_tokenizer(vocabulary);
    const auto written = load_tokenizer(directory.file(""));
    CHECK(written->kind() == original->kind());
    CHECK(written->bos_id() == original->bos_id());
    CHECK(written->eos_id() == original->eos_id());
    CHECK(written->vocab_size() == original->vocab_size());
    for (const char* text : {"ab ab", " a<|im|>b", "<tool>ab</s>", ""}) {
      CHECK(written->encode(text, true) == original->encode(text, true));
    }
    const nlohmann::ordered_json messages = {{{"role", "user"}, {"content", "hi"}}};
    CHECK(load_chat_template(vocabulary)->render(messages, true) == "<s>hi</s>");
    CHECK(ChatTemplate::load(directory.file(""))->render(messages, true) == "<s>hi</s>");
  }
  CHECK_FALSE(load_chat_template(small_bpe()).has_value());
}

TEST_CASE("a GGUF tokenizer that is not understood is refused by its key") {
  const auto with = [](GgufVocabulary vocabulary, auto change) {
    change(vocabulary);
    return message_of(vocabulary);
  };
  const auto bpe = [&](auto change) { return with(small_bpe(), change); };
  CHECK(contains(bpe([](auto& v) { v.model = "t5"; }), "tokenizer.ggml.model: expected llama"));
  CHECK(contains(bpe([](auto& v) { v.pre = "x"; }), "tokenizer.ggml.pre: expected one of gpt-2"));
  CHECK(contains(bpe([](auto& v) { v.tokens.clear(); }), "ggml.tokens: expected 1 to"));
  CHECK(contains(bpe([](auto& v) { v.tokens[1] = "\xff"; }), "token 1: expected UTF-8"));
  CHECK(contains(bpe([](auto& v) { v.tokens[1] = "a"; }), "token 1: \"a\" is also token 0"));
  CHECK(contains(bpe([](auto& v) { v.types.pop_back(); }), "ggml.token_type: expected one for"));
  CHECK(contains(bpe([](auto& v) { v.bos_id = 7; }), "bos_token_id: expected an id from 0 to 6"));
  CHECK(contains(bpe([](auto& v) { v.eos_id = -1; }), "eos_token_id: expected an id"));
  CHECK(contains(bpe([](auto& v) { v.merges = {"a z"}; }), "x.gguf"));
  CHECK(contains(with(small_sentencepiece(), [](auto& v) { v.scores.clear(); }),
                 "ggml.scores: expected one for each of the 11 tokens, got 0"));
}

TEST_CASE("llama.cpp's names cut words as Hugging Face's tokenizers of their models do") {
  const nlohmann::json goldens = read_json(kSource / "tests/tokenizer/gguf_cuts.json");
  const std::vector<std::string> tokens = goldens["tokens"];
  const std::vector<std::string> merges = goldens["merges"];
  GgufVocabulary vocabulary;
  vocabulary.file = "x.gguf";
  vocabulary.model = "gpt2";
  vocabulary.tokens.assign(tokens.begin(), tokens.end());
  vocabulary.merges.assign(merges.begin(), merges.end());
  for (const auto& cut : goldens["cuts"]) {
    for (const auto& name : cut["names"]) {
      vocabulary.pre = name;
      CAPTURE(vocabulary.pre);
      const auto tokenizer = load_tokenizer(vocabulary);
      for (size_t i = 0; i < goldens["texts"].size(); ++i) {
        const std::string text = goldens["texts"][i];
        CAPTURE(text);
        CHECK(tokenizer->encode(text, false) == cut["ids"][i].get<Ids>());
      }
    }
  }
}

// A vocabulary as llama.cpp's conversion takes it from a tokenizer.json, and what its views see.
struct ConvertedBpe {
  explicit ConvertedBpe(const std::filesystem::path& path) : document(read_json(path)) {
    for (const auto& [token, id] : document["model"]["vocab"].items()) put(id, token, 1);
    for (const auto& added : document["added_tokens"]) {
      put(added["id"], added["content"], added["special"].get<bool>() ? 3 : 4);
    }
    for (const auto& merge : document["model"]["merges"]) {
      merges.push_back(merge.is_string()
                           ? merge.get<std::string>()
                           : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    }
  }
  void put(size_t id, const std::string& token, int64_t type) {
    if (id >= tokens.size()) {
      tokens.resize(id + 1);
      types.resize(id + 1, 5);
    }
    tokens[id] = token;
    types[id] = type;
  }
  GgufVocabulary vocabulary(const char* pre) const {
    GgufVocabulary result;
    result.file = "x.gguf";
    result.model = "gpt2";
    result.pre = pre;
    result.tokens.assign(tokens.begin(), tokens.end());
    result.types = types;
    result.merges.assign(merges.begin(), merges.end());
    return result;
  }

  nlohmann::json document;
  std::vector<std::string> tokens;
  std::vector<std::string> merges;
  std::vector<int64_t> types;
};

// The same of a SentencePiece model.
GgufVocabulary converted_sentencepiece(const sentencepiece::SentencePieceProcessor& model) {
  GgufVocabulary result;
  result.file = "x.gguf";
  result.model = "llama";
  for (int id = 0; id < model.GetPieceSize(); ++id) {
    result.tokens.emplace_back(model.IdToPiece(id));
    result.scores.push_back(model.GetScore(id));
    result.types.push_back(model.IsUnknown(id)   ? 2
                           : model.IsControl(id) ? 3
                           : model.IsUnused(id)  ? 5
                           : model.IsByte(id)    ? 6
                                                 : 1);
  }
  result.unk_id = model.unk_id();
  result.bos_id = model.bos_id();
  result.eos_id = model.eos_id();
  return result;
}

// The ids are SentencePiece's own where that is the model, which finds no special tokens in text.
bool names_special_token(const std::string& text) {
  return contains(text, "<s>") || contains(text, "<unk>");
}

void check_conformance(const Tokenizer& tokenizer, const std::string& name) {
  const auto inputs = read_json_lines(kShared / "conformance/generated/inputs.jsonl");
  const auto expected =
      read_json_lines(kShared / "conformance/generated" / ("expected_" + name + ".jsonl"));
  REQUIRE(inputs.size() == expected.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto text = inputs[i]["text"].get<std::string>();
    if (tokenizer.kind() == "SentencePiece" && names_special_token(text)) continue;
    CAPTURE(name);
    CAPTURE(text);
    CHECK(tokenizer.encode(text, false) == expected[i]["ids"].get<Ids>());
  }
}

TEST_CASE("GGUF tokenizers have the ids of the Hugging Face tokenizers they were made of") {
  if (!has_shared_data()) return;
  for (const auto& [name, pre] : {std::pair{"gpt2", "gpt-2"}, std::pair{"llama3", "llama-bpe"},
                                  std::pair{"qwen3", "qwen2"}}) {
    const ConvertedBpe bpe(kShared / "tokenizers" / name / "tokenizer.json");
    check_conformance(*load_tokenizer(bpe.vocabulary(pre)), name);
  }
  for (const char* name : {"llama2", "mistral-v1"}) {
    sentencepiece::SentencePieceProcessor model;
    REQUIRE(model.Load((kShared / "tokenizers" / name / "tokenizer.model").string()).ok());
    check_conformance(*load_tokenizer(converted_sentencepiece(model)), name);
  }
}

// Ids that llama.cpp's own tests expect.
TEST_CASE("vocabularies in GGUF files give llama.cpp's ids on its inputs") {
  for (const char* name : {"gpt-2", "llama-spm", "phi-3"}) {
    CAPTURE(name);
    const auto path =
        kShared / "conformance/llama.cpp" / ("ggml-vocab-" + std::string(name) + ".gguf");
    if (!std::filesystem::exists(path)) {
      MESSAGE(path.string(), " is absent: skipped");
      return;
    }
    const auto tokenizer = open_tokenizer(path);
    const std::vector<std::string> inputs = read_llama_cpp_inputs();
    const std::vector<std::vector<int32_t>> expected = read_llama_cpp_ids(name);
    REQUIRE(inputs.size() == expected.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      CAPTURE(inputs[i]);
      CHECK(tokenizer->encode(inputs[i], false) == expected[i]);
    }
  }
}

}  // namespace
