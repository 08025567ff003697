#include <doctest/doctest.h>

#include <thread>

#include "tests/app/temp_directory.h"
#include "tests/cpu_time.h"
#include "tests/tokenizer/test_data.h"

using namespace eet;

TEST_CASE("the sample's golden prompts and texts come out of its tokenizer") {
  const auto tokenizer = load_tokenizer(kTalesGpt2);
  for (const auto& row : read_json_lines(kTalesGpt2 / "golden.jsonl")) {
    const std::vector<int32_t> greedy = row["greedy_token_ids"];
    CHECK(tokenizer->encode(row["prompt"].get<std::string>(), true) ==
          row["prompt_token_ids"].get<std::vector<int32_t>>());
    CHECK(tokenizer->decode(greedy, true) == row["text"].get<std::string>());
    CHECK(decode_in_steps(*tokenizer, greedy, true) == row["text"].get<std::string>());
  }
}

TEST_CASE("variations of tokenizer.json give what Hugging Face tokenizers gives") {
  const nlohmann::json base = read_json(kTalesGpt2 / "tokenizer.json");
  for (const auto& variant : read_json_lines(kSource / "tests/tokenizer/variants.jsonl")) {
    nlohmann::json document = base;
    document.merge_patch(variant["patch"]);
    const TempDirectory directory;
    const auto tokenizer = load_tokenizer(directory.write("tokenizer.json", document.dump()));
    for (const auto& example : variant["cases"]) {
      CAPTURE(variant["name"]);
      CAPTURE(example["text"]);
      const auto text = example["text"].get<std::string>();
      const auto ids = example["ids"].get<std::vector<int32_t>>();
      CHECK(tokenizer->encode(text, false) == ids);
      CHECK(tokenizer->encode(text, true) == ids_with_special(example));
      const auto decoded = example["decoded"].get<std::string>();
      CHECK(tokenizer->decode(ids, false) == decoded);
      CHECK(decode_in_steps(*tokenizer, ids, false) == decoded);
    }
  }
}

TEST_CASE("add_bos_token decides about BOS of a vocab.json with merges.txt") {
  const TempDirectory directory;
  const nlohmann::json model = read_json(kTalesGpt2 / "tokenizer.json")["model"];
  directory.write("vocab.json", model["vocab"].dump());
  std::string merges;
  for (const auto& merge : model["merges"]) {
    merges += merge.is_string() ? merge.get<std::string>()
                                : merge[0].get<std::string>() + " " + merge[1].get<std::string>();
    merges += "\n";
  }
  directory.write("merges.txt", merges);
  const auto encode = [&](const char* config, const char* text) {
    directory.write("tokenizer_config.json", config);
    return load_tokenizer(directory.file(""))->encode_prompt(text);
  };
  const char* const with_bos = R"({"bos_token": "<|endoftext|>", "add_bos_token": true})";
  const char* const without = R"({"bos_token": "<|endoftext|>", "add_bos_token": false})";
  const std::vector<int32_t> a = encode(without, "a");
  REQUIRE(a.size() == 1);
  CHECK(encode(with_bos, "a") == std::vector<int32_t>{0, a[0]});
  CHECK(encode(with_bos, "<|endoftext|>a") == std::vector<int32_t>{0, a[0]});
  CHECK(encode(with_bos, "") == std::vector<int32_t>{0});
  CHECK(encode(without, "").empty());
  CHECK(encode(R"({"bos_token": null, "add_bos_token": true})", "a") == a);
}

TEST_CASE("an id that is split inside a character waits for the rest") {
  const auto tokenizer = load_tokenizer(kTalesGpt2);
  const std::vector<int32_t> llama_ids = tokenizer->encode("\xF0\x9F\xA6\x99", false);  // U+1F999
  REQUIRE(llama_ids.size() == 4);
  IncrementalDecoder decoder(*tokenizer, true);
  CHECK(decoder.push(llama_ids[0]) == "");
  CHECK(decoder.push(llama_ids[1]) == "");
  CHECK(decoder.push(llama_ids[2]) == "");
  CHECK(decoder.push(llama_ids[3]) == "\xF0\x9F\xA6\x99");
  CHECK(decoder.push(llama_ids[0]) == "");
  CHECK(decoder.push(0) == "");  // a special token is skipped and takes nothing apart
  CHECK(decoder.push(llama_ids[0]) == "\xEF\xBF\xBD");
  CHECK(decoder.finish() == "\xEF\xBF\xBD");
}

TEST_CASE("decoding in steps equals decoding at once for random ids") {
  std::mt19937 random(1);
  for (const auto& directory : {kTalesGpt2, kTalesLlama}) {
    const auto tokenizer = load_tokenizer(directory);
    for (int round = 0; round < 2000; ++round) {
      // Half of the ids from the start of the vocabulary, where the bytes are.
      std::vector<int32_t> ids = random_ids(random, tokenizer->vocab_size(), 12);
      for (size_t i = 0; i < ids.size(); i += 2) ids[i] %= 260;
      for (bool skip : {false, true}) {
        const std::string text = tokenizer->decode(ids, skip);
        CHECK(find_invalid_utf8(text) == std::string_view::npos);
        CHECK(decode_in_steps(*tokenizer, ids, skip) == text);
      }
    }
  }
}

TEST_CASE("an id outside the vocabulary is refused by decode and ignored in steps") {
  const auto tokenizer = load_tokenizer(kTalesGpt2);
  for (int32_t id : {-1, tokenizer->vocab_size(), INT32_MAX, INT32_MIN}) {
    const std::vector<int32_t> ids = {id};
    CHECK_THROWS_AS(tokenizer->decode(ids, true), TokenizerError);
    CHECK(decode_in_steps(*tokenizer, ids, true) == "");
    CHECK_FALSE(tokenizer->is_special(id));
  }
}

TEST_CASE("text that is not UTF-8 is refused with its place") {
  for (const auto& directory : {kTalesGpt2, kTalesLlama}) {
    const auto tokenizer = load_tokenizer(directory);
    for (const char* text :
         {"ab\xFF", "ab\xC3", "ab\xED\xA0\x80", "ab\xC0\x80", "ab\xF5\x80\x80\x80"}) {
      CHECK_THROWS_WITH_AS(tokenizer->encode(text, false), doctest::Contains("at byte 2"),
                           TokenizerError);
    }
  }
}

TEST_CASE("a megabyte without any place to cut is encoded in seconds") {
  const double start = test::cpu_seconds();
  for (const auto& directory : {kTalesGpt2, kTalesLlama}) {
    const auto tokenizer = load_tokenizer(directory);
    for (const char* unit : {"a", " ", "\n", "!", "ab", "\xE4\xB8\xAD", "<", "9"}) {
      std::string text;
      while (text.size() < 1000000) text += unit;
      const auto ids = tokenizer->encode(text, false);
      CHECK(tokenizer->decode(ids, false) == text);
    }
  }
  // Seconds at most; a quadratic merge would take hours.
  CHECK(test::cpu_seconds() - start < 120);
}

TEST_CASE("threads that encode at the same time get the same ids") {
  const auto tokenizer = load_tokenizer(kTalesGpt2);
  const auto rows = read_json_lines(kTalesGpt2 / "golden.jsonl");
  std::vector<int> mismatches(4, 0);
  std::vector<std::thread> threads;
  threads.reserve(mismatches.size());
  for (int& count : mismatches) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        for (const auto& row : rows) {
          const auto ids = tokenizer->encode(row["prompt"].get<std::string>(), true);
          if (ids != row["prompt_token_ids"].get<std::vector<int32_t>>()) ++count;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(mismatches == std::vector<int>(4, 0));
}
