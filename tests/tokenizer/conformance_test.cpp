// The upstream libraries' own ids and texts.
#include <doctest/doctest.h>

#include "tests/app/temp_directory.h"
#include "tests/tokenizer/test_data.h"

using namespace eet;

namespace {

struct Reference {
  const char* name;
  const char* tokenizer;  // below the shared data
};

void check_conformance(const Reference& reference) {
  const auto tokenizer = load_tokenizer(kShared / reference.tokenizer);
  const auto folder = kShared / "conformance/generated";
  const auto inputs = read_json_lines(folder / "inputs.jsonl");
  const auto expected =
      read_json_lines(folder / ("expected_" + std::string(reference.name) + ".jsonl"));
  REQUIRE(inputs.size() == expected.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    CAPTURE(reference.name);
    CAPTURE(inputs[i]["id"]);
    REQUIRE(inputs[i]["id"] == expected[i]["id"]);
    const std::vector<int32_t> ids = expected[i]["ids"];
    const std::string decoded = expected[i]["decoded"];
    CHECK(tokenizer->encode(inputs[i]["text"].get<std::string>(), false) == ids);
    CHECK(tokenizer->decode(ids, false) == decoded);
    CHECK(decode_in_steps(*tokenizer, ids, false) == decoded);
  }
}

}  // namespace

TEST_CASE("every conformance row has the upstream ids and text") {
  if (!has_shared_data()) return;
  for (const Reference& reference :
       {Reference{"gpt2", "tokenizers/gpt2"}, Reference{"llama2", "tokenizers/llama2"},
        Reference{"llama3", "tokenizers/llama3"}, Reference{"mistral-v1", "tokenizers/mistral-v1"},
        Reference{"qwen3", "tokenizers/qwen3"},
        Reference{"tok512", "models/llama-stories260k/tok512.model"}}) {
    check_conformance(reference);
  }
}

TEST_CASE("llama.cpp's inputs have llama.cpp's ids") {
  if (!has_shared_data()) return;
  const auto texts = read_llama_cpp_inputs();
  for (const Reference& reference :
       {Reference{"gpt-2", "tokenizers/gpt2"}, Reference{"llama-bpe", "tokenizers/llama3"},
        Reference{"llama-spm", "tokenizers/llama2"}, Reference{"qwen2", "tokenizers/qwen3"}}) {
    const auto tokenizer = load_tokenizer(kShared / reference.tokenizer);
    const auto expected = read_llama_cpp_ids(reference.name);
    REQUIRE(texts.size() == expected.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      CAPTURE(reference.name);
      CAPTURE(texts[i]);
      CHECK(tokenizer->encode(texts[i], false) == expected[i]);
    }
  }
}

TEST_CASE("vocab.json and merges.txt give what tokenizer.json gives") {
  if (!has_shared_data()) return;
  const TempDirectory directory;
  for (const char* name : {"vocab.json", "merges.txt"}) {
    std::filesystem::copy_file(kShared / "tokenizers/gpt2" / name, directory.file(name));
  }
  const auto pair = load_tokenizer(directory.file(""));
  const auto single = load_tokenizer(kShared / "tokenizers/gpt2");
  for (const auto& row : read_json_lines(kShared / "conformance/generated/inputs.jsonl")) {
    const auto text = row["text"].get<std::string>();
    CHECK(pair->encode(text, true) == single->encode(text, true));
  }
  CHECK(pair->eos_id() == 50256);
  CHECK(single->eos_id() == 50256);
}
