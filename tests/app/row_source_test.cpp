#include "app/job/input/row_source.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/app/byte_tokenizer.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

InputRow encoded(std::string_view text, const Tokenizer* tokenizer, int64_t max_tokens = 1024) {
  InputRow row = parse_row(text, 4, {});
  PromptEncoder(tokenizer, {}, max_tokens).encode(row);
  return row;
}

std::string error_code(const InputRow& row) {
  return row.error ? row.error->code : "";
}

TEST_CASE("text becomes ids with the special tokens of the model") {
  const ByteTokenizer tokenizer(/*adds_bos=*/true);
  CHECK(encoded(R"({"prompt": "ab"})", &tokenizer).prompt_ids ==
        std::vector<int32_t>{256, 'a', 'b'});
  CHECK(encoded(R"({"prompt_token_ids": [5, 6]})", &tokenizer).prompt_ids ==
        std::vector<int32_t>{5, 6});
}

TEST_CASE("an empty text is a prompt where the tokenizer adds BOS, and an error elsewhere") {
  const ByteTokenizer with_bos(true);
  const ByteTokenizer without_bos(false);
  CHECK(encoded(R"({"prompt": ""})", &with_bos).prompt_ids == std::vector<int32_t>{256});
  CHECK(error_code(encoded(R"({"prompt": ""})", &without_bos)) == "empty_prompt");
  CHECK(error_code(encoded(R"({"prompt_token_ids": []})", &with_bos)) == "empty_prompt");
}

TEST_CASE("without a tokenizer text is an error row and ids are not") {
  CHECK(error_code(encoded(R"({"prompt": "a"})", nullptr)) == "no_tokenizer");
  CHECK(error_code(encoded(R"({"prompt_token_ids": [1]})", nullptr)) == "");
}

class TokenizerOutOfMemory : public ByteTokenizer {
 public:
  TokenizerOutOfMemory() : ByteTokenizer(/*adds_bos=*/false) {}
  std::vector<int32_t> encode(std::string_view, bool) const override { throw std::bad_alloc(); }
};

TEST_CASE("memory that cannot be had for a row is that row's error") {
  const TokenizerOutOfMemory tokenizer;
  const TempDirectory dir;
  RequestReader reader({dir.write("in.jsonl", "{\"prompt\": \"a\"}\n")}, {});
  RowSource source(reader, PromptEncoder(&tokenizer, {}, 1024));
  CHECK(error_code(*source.pop()) == "out_of_memory");
  CHECK_FALSE(source.pop());
}

TEST_CASE("text that cannot fit is refused without tokenizing it") {
  const ByteTokenizer tokenizer(true);
  const std::string row = "{\"prompt\":\"" + std::string(100'000, 'x') + "\"}";
  CHECK(error_code(encoded(row, &tokenizer, 100)) == "prompt_too_long");
  CHECK(error_code(encoded(row, &tokenizer, 10'000)) == "");
}

TEST_CASE("rows arrive in order with their errors") {
  const TempDirectory dir;
  std::string content;
  for (int i = 0; i < 5000; ++i) content += i % 7 == 0 ? "bad\n" : "{\"prompt\":\"p\"}\n";
  RequestReader reader({dir.write("in", content)}, {});
  const ByteTokenizer tokenizer(true);
  RowSource source(reader, PromptEncoder(&tokenizer, {}, 1024));
  for (uint64_t i = 0; i < 5000; ++i) {
    const std::optional<InputRow> row = source.pop();
    REQUIRE(row);
    CHECK(row->row == i);
    CHECK(row->error.has_value() == (i % 7 == 0));
  }
  CHECK_FALSE(source.pop());
  CHECK_FALSE(source.pop_within(std::chrono::milliseconds(0)));
}

TEST_CASE("a source that is not read to its end stops its thread") {
  const TempDirectory dir;
  std::string content;
  for (int i = 0; i < 5000; ++i) content += "{\"prompt\":\"p\"}\n";
  RequestReader reader({dir.write("in", content)}, {});
  RowSource source(reader, PromptEncoder(nullptr, {}, 1024));
  CHECK(source.pop());
}

TEST_CASE("a source that waits for a silent pipe can be given up") {
  const TempDirectory dir;
  REQUIRE(::mkfifo(dir.file("pipe").c_str(), 0600) == 0);
  const int writer = ::open(dir.file("pipe").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(writer >= 0);
  {
    RequestReader reader({dir.file("pipe")}, {});
    RowSource source(reader, PromptEncoder(nullptr, {}, 1024));
    CHECK_FALSE(source.pop_within(std::chrono::milliseconds(0)));
  }
  ::close(writer);
}

TEST_CASE("what stops the thread is thrown where its rows are taken") {
  class Broken : public ByteTokenizer {
   public:
    Broken() : ByteTokenizer(true) {}
    std::vector<int32_t> encode(std::string_view text, bool) const override {
      if (text == "bad") throw std::logic_error("broken");
      return {1};
    }
  };
  const TempDirectory dir;
  RequestReader reader({dir.write("in", "{\"prompt\":\"good\"}\n{\"prompt\":\"bad\"}\n")}, {});
  const Broken tokenizer;
  RowSource source(reader, PromptEncoder(&tokenizer, {}, 1024));
  CHECK(source.pop());
  CHECK_THROWS_AS(source.pop(), std::logic_error);
}

TEST_CASE("a queue is bounded in bytes, and an item larger than the bound passes alone") {
  BoundedQueue<int> queue(/*max_items=*/100, /*max_bytes=*/10);
  CHECK(queue.push(1, 50));
  std::thread producer([&] {
    queue.push(2, 6);
    queue.push(3, 6);
    queue.close();
  });
  CHECK(queue.pop() == 1);
  CHECK(queue.pop() == 2);
  CHECK(queue.pop() == 3);
  CHECK_FALSE(queue.pop());
  producer.join();
}

TEST_CASE("a cancelled queue wakes its producer") {
  BoundedQueue<int> queue(/*max_items=*/1, /*max_bytes=*/10);
  CHECK(queue.push(1, 1));
  std::thread producer([&] { CHECK_FALSE(queue.push(2, 1)); });
  queue.cancel();
  producer.join();
}

}  // namespace
}  // namespace eet
