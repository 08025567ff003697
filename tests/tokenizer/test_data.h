// Where the tests of this room find their data.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/app/temp_directory.h"
#include "tokenizer/incremental_decoder.h"
#include "tokenizer/tokenizer.h"

namespace eet {

inline const std::filesystem::path kSource = EET_SOURCE_DIR;
inline const std::filesystem::path kTalesLlama = kSource / "samples/models/tales-llama";
inline const std::filesystem::path kTalesGpt2 = kSource / "tests/golden/models/tales-gpt2";
inline const std::filesystem::path kShared = kSource / "../shared/data";  // not everywhere

// Whether the shared test data is there; says so if not.
inline bool has_shared_data() {
  const bool found = std::filesystem::exists(kShared / "conformance");
  if (!found) MESSAGE("skipped: no test data in ../shared/data");
  return found;
}

inline std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path.string());
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path.string());
  return nlohmann::json::parse(file);
}

// The ids of a text with special tokens: a golden's own between those around them.
inline std::vector<int32_t> ids_with_special(const nlohmann::json& golden) {
  std::vector<int32_t> ids = golden["around"][0];
  for (const std::vector<int32_t> part : {golden["ids"], golden["around"][1]}) {
    ids.insert(ids.end(), part.begin(), part.end());
  }
  return ids;
}

// The text of `ids` as an IncrementalDecoder gives it, piece by piece.
inline std::string decode_in_steps(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                                   bool skip_special_tokens) {
  IncrementalDecoder decoder(tokenizer, skip_special_tokens);
  std::string text;
  for (int32_t id : ids) {
    const std::string piece = decoder.push(id);
    CHECK(find_invalid_utf8(piece) == std::string_view::npos);
    text += piece;
  }
  return text + decoder.finish();
}

inline std::vector<int32_t> random_ids(std::mt19937& random, int32_t vocab_size, size_t count) {
  std::uniform_int_distribution<int32_t> any(0, vocab_size - 1);
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = any(random);
  return ids;
}

// llama.cpp's inputs: text, "__ggml_vocab_test__" on a line of its own, text, ...
inline std::vector<std::string> read_llama_cpp_inputs() {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::string rest =
      read_text((kShared / "conformance/llama.cpp/ggml-vocab-all.gguf.inp").string());
  std::vector<std::string> texts;
  for (size_t at; (at = rest.find(separator)) != std::string::npos;) {
    texts.push_back(rest.substr(0, at));
    rest.erase(0, at + separator.size());
  }
  return texts;  // the last separator ends the file
}

inline std::vector<std::vector<int32_t>> read_llama_cpp_ids(const std::string& name) {
  std::ifstream file(kShared / "conformance/llama.cpp" / ("ggml-vocab-" + name + ".gguf.out"));
  std::vector<std::vector<int32_t>> rows;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    rows.emplace_back(std::istream_iterator<int32_t>(words), std::istream_iterator<int32_t>());
  }
  return rows;
}

}  // namespace eet
