// Compressed inputs and outputs.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "app/job/input/byte_source.h"
#include "app/job/input/line_reader.h"
#include "app/job/output/byte_sink.h"
#include "lib/core/error.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

constexpr Compression kBoth[] = {Compression::kGzip, Compression::kXz, Compression::kZstd};

const char* extension(Compression compression) {
  if (compression == Compression::kXz) return ".xz";
  return compression == Compression::kGzip ? ".gz" : ".zst";
}

// `pieces` bytes at a time; 0: all at once.
std::string compressed(Compression compression, const std::string& text, size_t pieces = 0) {
  std::string out;
  const auto sink = make_byte_sink(compression, [&](std::string_view data) { out.append(data); });
  if (pieces == 0) pieces = text.size() + 1;
  for (size_t at = 0; at < text.size(); at += pieces) {
    sink->write(std::string_view(text).substr(at, pieces));
  }
  sink->finish();
  return out;
}

std::string read_source(ByteSource& source, size_t read_bytes = 1000) {
  std::string text;
  std::vector<char> buffer(read_bytes);
  while (const size_t got = source.read(buffer)) text.append(buffer.data(), got);
  return text;
}

std::string read_back(const std::string& name, const std::string& content) {
  const TempDirectory dir;
  ByteSource source(dir.write(name, content));
  return read_source(source);
}

// Words that compress as JSON lines do.
std::string sample_text(size_t bytes) {
  std::mt19937 rng(7);
  std::string text;
  while (text.size() < bytes) text += "{\"prompt\": " + std::to_string(rng() % 9999) + "}\n";
  return text;
}

TEST_CASE("zero bytes behind a member of gzip or a stream of xz are padding") {
  for (const Compression compression : {Compression::kGzip, Compression::kXz}) {
    const std::string one = compressed(compression, "one\n");
    const std::string two = compressed(compression, "two\n");
    CHECK(read_back("in", one + std::string(100'000, '\0')) == "one\n");
    CHECK(read_back("in", one + std::string(8, '\0') + two + std::string(4, '\0')) == "one\ntwo\n");
    CHECK_THROWS_WITH_AS(read_back("in", one + std::string(4, '\0') + std::string(40, 'x')),
                         doctest::Contains("in: bad "), Error);
  }
}

TEST_CASE("a zstd frame with the longest window is read") {
  // `zstd --long=31` of one row, as the frame's header demands it.
  const std::string frame("\x28\xB5\x2F\xFD\x00\xA8\x19\x00\x00x\n\n", 12);
  CHECK(read_back("in.zst", frame) == "x\n\n");
}

TEST_CASE("UTF-16 with a byte order mark is read as UTF-8, compressed or not") {
  const std::string little("\xFF\xFEh\0\xFC\0=\xD8\x00\xDE\n\0", 12);
  const std::string big("\xFE\xFF\0h\0\xFC\xD8=\xDE\x00\0\n", 12);
  const std::string text = "h\xC3\xBC\xF0\x9F\x98\x80\n";
  CHECK(read_back("in", little) == text);
  CHECK(read_back("in", big) == text);
  CHECK(read_back("in", compressed(Compression::kGzip, little)) == text);
  // Halves of surrogate pairs and of a unit are no UTF-8, either.
  CHECK(read_back("in", std::string("\xFF\xFE=\xD8x\0\x00\xDEy", 9)) == "\xFFx\xFF\xFF");
  CHECK_THROWS_WITH_AS(read_back("in", std::string("\xFF\xFE\0\0a\0\0\0", 8)),
                       doctest::Contains("UTF-32"), Error);
}

TEST_CASE("what a sink writes a source reads back, whatever the sizes of the pieces") {
  for (const size_t bytes : {0, 1, 100, 1'000'000, 3'000'000}) {
    const std::string text = sample_text(bytes);
    CHECK(compressed(Compression::kNone, text) == text);
    for (const Compression compression : kBoth) {
      CAPTURE(bytes);
      CAPTURE(extension(compression));
      const std::string data = compressed(compression, text);
      if (bytes > 1000) CHECK(data.size() < text.size() / 2);
      CHECK(read_back(concat("in", extension(compression)), data) == text);
      CHECK(compressed(compression, text, 777) == data);
      CHECK(compressed(compression, text, 131'072) == data);
    }
  }
}

TEST_CASE("compressed data are known by their first bytes where the name does not say") {
  for (const Compression compression : kBoth) {
    CHECK(read_back("in.jsonl", compressed(compression, "rows\n")) == "rows\n");
  }
  CHECK(read_back("in.jsonl", "(\xB5\x2F") == "(\xB5\x2F");
  CHECK(read_back("in.jsonl", "\x1F") == "\x1F");
}

TEST_CASE("members and frames one after another are one text") {
  for (const Compression compression : kBoth) {
    const std::string data = compressed(compression, "one\nt") + compressed(compression, "") +
                             compressed(compression, "wo\n");
    CHECK(read_back(concat("in", extension(compression)), data) == "one\ntwo\n");
  }
  const std::string skippable("\x53\x2A\x4D\x18\x02\0\0\0xx", 10);  // as parallel zstd writes it
  CHECK(read_back("in.zst", skippable + compressed(Compression::kZstd, "a")) == "a");
}

TEST_CASE("compressed data cut short anywhere are an error that names the file") {
  const std::string text = sample_text(2000);
  for (const Compression compression : kBoth) {
    const std::string data = compressed(compression, text);
    const std::string name = concat("in", extension(compression));
    for (size_t length = 0; length < data.size(); ++length) {
      const TempDirectory dir;
      ByteSource source(dir.write(name, data.substr(0, length)));
      CHECK_THROWS_WITH_AS(read_source(source), doctest::Contains("data end too early"), Error);
    }
  }
}

TEST_CASE("a flipped byte is an error with its place, or changes nothing") {
  const std::string text = sample_text(2000);
  for (const Compression compression : kBoth) {
    const std::string data = compressed(compression, text);
    const std::string name = concat("in", extension(compression));
    for (size_t at = 0; at < data.size(); ++at) {
      std::string damaged = data;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      try {
        const std::string read = read_back(name, damaged);
        CHECK(read == text);  // gzip's field for the time, for example
      } catch (const Error& error) {
        const std::string message = error.what();
        CHECK(message.find(name) != std::string::npos);
        CHECK(message.find(" byte ") != std::string::npos);
      }
    }
  }
}

TEST_CASE("what follows a complete member must be another one") {
  for (const Compression compression : kBoth) {
    const std::string data = compressed(compression, "rows\n") + "no member";
    CHECK_THROWS_AS(read_back(concat("in", extension(compression)), data), Error);
  }
}

TEST_CASE("plain text under a compressed name is refused") {
  CHECK_THROWS_WITH_AS(read_back("in.gz", "{\"prompt\": \"a\"}\n"),
                       doctest::Contains("in.gz: bad gzip data near byte 0: "), Error);
  CHECK_THROWS_WITH_AS(read_back("in.zst", "{\"prompt\": \"a\"}\n"),
                       doctest::Contains("in.zst: bad zstd data near byte 0: "), Error);
}

TEST_CASE("a line that swells to more than the limit is skipped without being held") {
  const std::string bomb = "before\n" + std::string(size_t{64} << 20, 'x') + "\nafter\n";
  for (const Compression compression : kBoth) {
    const TempDirectory dir;
    LineReader reader(dir.write("in", compressed(compression, bomb)), 1000);
    CHECK(reader.next()->text == "before");
    const std::optional<Line> line = reader.next();
    CHECK(line->too_long);
    CHECK(line->bytes == (int64_t{64} << 20) + 1);
    CHECK(reader.next()->text == "after");
    CHECK_FALSE(reader.next());
  }
}

TEST_CASE("the size of a compressed input is estimated while it is read") {
  const std::string text = sample_text(4'000'000);
  const TempDirectory dir;
  ByteSource source(dir.write("in.gz", compressed(Compression::kGzip, text)));
  std::vector<char> half(text.size() / 2);
  size_t have = 0;
  while (have < half.size()) have += source.read(std::span(half).subspan(have));
  CHECK(*source.total_bytes() == doctest::Approx(static_cast<double>(text.size())).epsilon(0.05));
}

TEST_CASE("a compressed pipe in which nothing comes can be given up") {
  const TempDirectory dir;
  REQUIRE(::mkfifo(dir.file("pipe.gz").c_str(), 0600) == 0);
  const int writer = ::open(dir.file("pipe.gz").c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(writer >= 0);
  const std::string data = compressed(Compression::kGzip, sample_text(2000)).substr(0, 100);
  REQUIRE(::write(writer, data.data(), data.size()) == static_cast<ssize_t>(data.size()));
  ByteSource source(dir.file("pipe.gz"));
  std::thread reader([&] { read_source(source); });
  source.cancel();
  reader.join();
  ::close(writer);
}

}  // namespace
}  // namespace eet
