// The parts that work on characters and words: UTF-8, NFC, added tokens, split patterns, merges.
#include <doctest/doctest.h>

#include "tests/tokenizer/test_data.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/nfc.h"
#include "tokenizer/split_pattern.h"
#include "tokenizer/utf8.h"

using namespace eet;

namespace {

std::vector<std::string> split(const char* pattern, SplitPattern::Keep keep, const char* text) {
  const SplitPattern split_pattern(pattern, SplitPattern::Syntax::kRegex, keep, "test");
  std::vector<std::string_view> pieces;
  split_pattern.split(text, pieces);
  return {pieces.begin(), pieces.end()};
}

std::vector<int32_t> merged(const MergeTable& table, std::vector<int32_t> symbols) {
  table.merge(symbols);
  return symbols;
}

std::string assemble(Utf8Replacement replacement, std::string_view bytes) {
  Utf8Assembler assembler(replacement);
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) assembler.push(bytes.substr(i, 1), text);
  assembler.flush(text);
  return text;
}

}  // namespace

TEST_CASE("invalid UTF-8 is found at its first byte") {
  CHECK(find_invalid_utf8("plain ASCII, longer than a block of eight") == std::string_view::npos);
  CHECK(find_invalid_utf8("\xC3\xA9\xE4\xB8\xAD\xF0\x9F\xA6\x99\xF4\x8F\xBF\xBF") ==
        std::string_view::npos);
  CHECK(find_invalid_utf8("12345678\x80") == 8);
  CHECK(find_invalid_utf8("a\xE4\xB8") == 1);
  CHECK(find_invalid_utf8("\xF4\x90\x80\x80") == 0);
  CHECK(find_invalid_utf8("\xE0\x9F\xBF") == 0);
}

TEST_CASE("every code point survives writing and reading") {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_code_point(text, c);
    size_t at = 0;
    REQUIRE(find_invalid_utf8(text) == std::string_view::npos);
    REQUIRE(next_code_point(text, at) == c);
    REQUIRE(at == text.size());
  }
}

TEST_CASE("broken bytes become U+FFFD as the reference counts them") {
  const std::string one = "\xEF\xBF\xBD";
  CHECK(assemble(Utf8Replacement::kPerSubpart, "a\xE4\xB8z") == "a" + one + "z");
  CHECK(assemble(Utf8Replacement::kPerByte, "a\xE4\xB8z") == "a" + one + one + "z");
  CHECK(assemble(Utf8Replacement::kPerSubpart, "\xF0\x9F\xA6") == one);
  CHECK(assemble(Utf8Replacement::kPerByte, "\xF0\x9F\xA6") == one + one + one);
  CHECK(assemble(Utf8Replacement::kPerSubpart, "\xE0\x80\xFF\x80") == one + one + one + one);
  CHECK(assemble(Utf8Replacement::kPerSubpart, "\xE4\xE4\xB8\xAD") == one + "\xE4\xB8\xAD");
}

TEST_CASE("NFC composes, reorders and recurses") {
  CHECK(to_nfc("plain") == "plain");
  CHECK(to_nfc("e\u0301") == "\u00E9");
  CHECK(to_nfc("\u212B\u2126") == "\u00C5\u03A9");   // singletons
  CHECK(to_nfc("a\u0301\u0323") == "\u1EA1\u0301");  // the lower class goes first
  CHECK(to_nfc("\u1112\u1161\u11AB") == "\uD55C");   // Hangul from its parts
  CHECK(to_nfc("\uD558\u11AB") == "\uD55C");
  CHECK(to_nfc("\u0958") == "\u0915\u093C");  // excluded from composition
  CHECK(to_nfc("\u0344") == "\u0308\u0301");
  CHECK(to_nfc("\u0301a") == "\u0301a");              // nothing before to join
  CHECK(to_nfc("a\u0305\u0301") == "a\u0305\u0301");  // blocked by the same class
}

// FNV-1a over the normal forms of "A" c U+0323 U+0301 c for all c below U+30000, as Python's
// unicodedata 14.0 gives them:
//   h = 0xcbf29ce484222325
//   for c in (c for c in range(0x30000) if not 0xD800 <= c < 0xE000):
//     for b in unicodedata.normalize("NFC", f"A{chr(c)}\u0323\u0301{chr(c)}").encode():
//       h = (h ^ b) * 0x100000001b3 % 2**64
TEST_CASE("NFC of every character equals Python's") {
  uint64_t hash = 0xcbf29ce484222325;
  for (char32_t c = 0; c < 0x30000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string character;
    append_code_point(character, c);
    std::string text = "A";
    text.append(character).append("\u0323\u0301").append(character);
    for (char byte : to_nfc(text)) {
      hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
    }
  }
  CHECK(hash == 0xe17aa606f18e2364);
}

TEST_CASE("split patterns keep matches, gaps or both") {
  const std::vector<std::string> all = {"ab", "12", "c"};
  CHECK(split("[0-9]+", SplitPattern::Keep::kAll, "ab12c") == all);
  CHECK(split("[0-9]+", SplitPattern::Keep::kMatches, "ab12c") == std::vector<std::string>{"12"});
  CHECK(split("[0-9]+", SplitPattern::Keep::kGaps, "ab12c") == std::vector<std::string>{"ab", "c"});
  CHECK(split("x*", SplitPattern::Keep::kAll, "a\u00E9xb") ==
        std::vector<std::string>{"a", "\u00E9", "x", "b"});
  CHECK(split(R"(\s)", SplitPattern::Keep::kGaps, "a\u180Eb\u3000c") ==
        std::vector<std::string>{"a\u180Eb", "c"});  // U+180E is no white space any more
}

TEST_CASE("a split pattern that does not compile or never ends is refused") {
  CHECK_THROWS_WITH_AS(split("(", SplitPattern::Keep::kAll, "a"),
                       doctest::Contains("does not compile"), TokenizerError);
  const std::string text = std::string(64, 'a') + '!';
  CHECK_THROWS_WITH_AS(split("(a|aa)+$", SplitPattern::Keep::kAll, text.c_str()),
                       doctest::Contains("gave up"), TokenizerError);
}

TEST_CASE("the longest added token wins, flags apply") {
  AddedToken open{"<a", 10};
  AddedToken longer{"<ab>", 11};
  AddedToken strip{"<s>", 12, true, false, true, true};
  AddedToken word{"is", 13, false, true};
  const AddedTokens tokens(
      {open, longer, strip, word}, [](std::string_view text) { return std::string(text); }, "test");
  const auto ids = [&](std::string_view text) {
    std::vector<TextSegment> segments;
    tokens.split(text, false, segments);
    std::vector<int32_t> result;  // -length for text
    result.reserve(segments.size());
    for (const TextSegment& segment : segments) {
      result.push_back(segment.token ? segment.token->id
                                     : -static_cast<int32_t>(segment.text.size()));
    }
    return result;
  };
  CHECK(ids("x<ab><ac") == std::vector<int32_t>{-1, 11, 10, -1});
  CHECK(ids("x \u3000<s>\n<s> y") == std::vector<int32_t>{-1, 12, 12, -1});
  CHECK(ids("this is\u00E9 is") == std::vector<int32_t>{-10, 13});
  CHECK(ids("is") == std::vector<int32_t>{13});
  CHECK(ids("").empty());
}

TEST_CASE("short and long words merge by rank, leftmost first") {
  MergeTable table(3);
  table.add(1, 1, 1, 2);  // aa
  table.add(2, 2, 0, 3);  // aaaa, of lower rank than what makes it
  table.add(2, 1, 2, 4);  // aaa
  CHECK(merged(table, {}).empty());
  CHECK(merged(table, {1}) == std::vector<int32_t>{1});
  CHECK(merged(table, {1, 1, 1}) == std::vector<int32_t>{4});
  CHECK(merged(table, {1, 1, 1, 1, 1}) == std::vector<int32_t>{3, 1});
  for (size_t length = 0; length < 200; ++length) {  // on both sides of the switch to the heap
    std::vector<int32_t> expected(length / 4, 3);
    if (length % 4 == 1) expected.push_back(1);
    if (length % 4 == 2) expected.push_back(2);
    if (length % 4 == 3) expected.push_back(4);
    CHECK(merged(table, std::vector<int32_t>(length, 1)) == expected);
  }
}
