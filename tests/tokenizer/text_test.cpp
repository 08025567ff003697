// The parts that work on characters and words: UTF-8, normal forms, clusters, added tokens,
// patterns, merges.
#include <doctest/doctest.h>

#include "tests/tokenizer/test_data.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/models/merge_table.h"
#include "tokenizer/regex/known_patterns.h"
#include "tokenizer/regex/regex.h"
#include "tokenizer/unicode/characters.h"
#include "tokenizer/unicode/graphemes.h"
#include "tokenizer/unicode/normal_forms.h"
#include "tokenizer/utf8.h"

using namespace eet;

namespace {

std::vector<std::string> matches(const char* pattern, std::string_view text) {
  std::vector<TextRange> ranges;
  Regex(pattern, "test").find_all(text, [&](const TextRange& range) { ranges.push_back(range); });
  std::vector<std::string> found;
  found.reserve(ranges.size());
  for (const TextRange& range : ranges) {
    found.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return found;
}

std::string to_nfc(std::string_view text) {
  return to_normal_form(text, NormalForm::kC);
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

TEST_CASE("the four normal forms differ where they should") {
  const std::string text = "\uFB01\u00E9";
  CHECK(to_normal_form(text, NormalForm::kC) == "\uFB01\u00E9");
  CHECK(to_normal_form(text, NormalForm::kD) == "\uFB01e\u0301");
  CHECK(to_normal_form(text, NormalForm::kKC) == "fi\u00E9");
  CHECK(to_normal_form(text, NormalForm::kKD) == "fie\u0301");
}

// FNV-1a over the normal forms of "A" c U+0323 U+0301 c for all c below U+30000, as tokenizers
// 0.23.3 gives them:
//   h = 0xcbf29ce484222325
//   for c in (c for c in range(0x30000) if not 0xD800 <= c < 0xE000):
//     for b in normalizers.NFC().normalize_str(f"A{chr(c)}\u0323\u0301{chr(c)}").encode():
//       h = (h ^ b) * 0x100000001b3 % 2**64
TEST_CASE("the normal forms of every character equal the reference's") {
  const std::pair<NormalForm, uint64_t> expected[] = {{NormalForm::kC, 0x28069512f6509fe},
                                                      {NormalForm::kD, 0x9d2525c57aa12d11},
                                                      {NormalForm::kKC, 0xad46d49ef8a4d95f},
                                                      {NormalForm::kKD, 0xfea40163f7c846b5}};
  for (const auto& [form, expected_hash] : expected) {
    uint64_t hash = 0xcbf29ce484222325;
    for (char32_t c = 0; c < 0x30000; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      std::string character;
      append_code_point(character, c);
      std::string text = "A";
      text.append(character).append("\u0323\u0301").append(character);
      for (char byte : to_normal_form(text, form)) {
        hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
      }
    }
    CHECK(hash == expected_hash);
  }
}

TEST_CASE("lower case knows no context") {
  const auto lowercase = [](std::initializer_list<char32_t> characters) {
    std::string text;
    for (char32_t c : characters) append_lowercase(text, c);
    return text;
  };
  CHECK(lowercase({U'A', U'z', U'\u00C4', U'\u0130'}) == "az\u00E4i\u0307");
  CHECK(lowercase({U'\u03A3', U'\u0100', U'\u0101', U'\u1E9E'}) == "\u03C3\u0101\u0101\u00DF");
}

TEST_CASE("grapheme clusters keep together what belongs together") {
  const auto count = [](std::string_view text) {
    size_t clusters = 0;
    for (size_t at = 0; at < text.size(); ++clusters) at = end_of_grapheme(text, at);
    return clusters;
  };
  CHECK(count("abc") == 3);
  CHECK(count("e\u0301x") == 2);
  CHECK(count("\r\n\n") == 2);
  CHECK(count("\n\u0301") == 2);
  CHECK(count("\u1112\u1161\u11AB") == 1);  // Hangul
  CHECK(count("\u0915\u094D\u0937") == 1);  // a conjunct
  CHECK(count("\u0915\u0937") == 2);
  CHECK(count("\U0001F469\u200D\U0001F467") == 1);      // joined pictures
  CHECK(count("\U0001F1E9\U0001F1EA\U0001F1EB") == 2);  // flags are pairs
  CHECK(count("\u0600"
              "1") == 1);
}

TEST_CASE("a pattern's empty matches do not follow upon other matches") {
  CHECK(matches("[0-9]+", "ab12c3") == std::vector<std::string>{"12", "3"});
  CHECK(matches("x*", "a\u00E9xb") == std::vector<std::string>{"", "", "x", ""});
  CHECK(matches("a|b*", "ab") == std::vector<std::string>{"a", "b"});
  CHECK(matches(R"(\s)", "a\u180Eb\u3000c") == std::vector<std::string>{"\u3000"});
}

TEST_CASE("a pattern that does not compile or never ends is refused") {
  CHECK_THROWS_WITH_AS(matches("(", "a"), doctest::Contains("does not compile"), TokenizerError);
  CHECK_THROWS_WITH_AS(matches("(a|aa)+$", std::string(64, 'a') + '!'),
                       doctest::Contains("gave up"), TokenizerError);
}

TEST_CASE("a text's searches share one limit of steps") {
  // Each "b" is found after some 300,000 steps: few are, a thousand are not.
  const std::string piece = std::string(25, 'a') + "b";
  std::string text = piece;
  CHECK(matches("(?:a|aa)+c|b", text).size() == 1);
  for (int i = 0; i < 10; ++i) text += text;
  CHECK_THROWS_WITH_AS(matches("(?:a|aa)+c|b", text), doctest::Contains("gave up"), TokenizerError);
  // A match far away is dear, and not too dear.
  CHECK(matches("b", std::string(1'000'000, 'a') + "b").size() == 1);
  CHECK(matches("a+b|a", std::string(2'000, 'a')).size() == 2'000);
}

TEST_CASE("a pattern whose steps each look at the whole text is refused") {
  CHECK_THROWS_WITH_AS(matches("a++b|c", std::string(1'000'000, 'a')),
                       doctest::Contains("it takes too long"), TokenizerError);
}

// Text of the characters that the known patterns tell apart, and of any others.
std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> kParts = {
      "a",  "B",  "\u00E9", "\u4E2D",  "\u0301", "1",      "\u00BD",     "\u2167",     " ",
      " ",  "  ", "\t",     "\n",      "\r\n",   "\u00A0", "\u3000",     "\u2028",     "\u0085",
      "'",  "'s", "'S",     "'\u017F", "'re",    "'LL",    "'ve",        "'d",         "'m",
      "'T", "!",  "_",      "-",       "\u200B", "\u180E", "\U0001F600", "\U0001FAE9", "<"};
  std::string text;
  std::uniform_int_distribution<size_t> part(0, kParts.size() + 1);
  std::uniform_int_distribution<char32_t> any(0, 0x2FFFF);
  for (size_t i = random() % 16; i > 0; --i) {
    const size_t index = part(random);
    const char32_t c = any(random);
    if (index < kParts.size()) {
      text += kParts[index];
    } else if (c < 0xD800 || c > 0xDFFF) {
      append_code_point(text, c);
    }
  }
  return text;
}

TEST_CASE("the known patterns match what their regular expressions match") {
  std::mt19937 random(5);
  for (std::string_view source : {kGpt2Pattern, kQwen2Pattern, kLlama3Pattern}) {
    const auto known = make_known_pattern(source);
    REQUIRE(known != nullptr);
    const Regex regex(std::string(source), "test");
    for (int round = 0; round < 30000; ++round) {
      const std::string text = random_text(random);
      std::vector<TextRange> expected;
      std::vector<TextRange> got;
      regex.find_all(text, [&](const TextRange& match) { expected.push_back(match); });
      known->find_all(text, [&](const TextRange& match) { got.push_back(match); });
      CAPTURE(text);
      REQUIRE(std::equal(got.begin(), got.end(), expected.begin(), expected.end(),
                         [](const TextRange& a, const TextRange& b) {
                           return a.begin == b.begin && a.end == b.end;
                         }));
    }
  }
}

TEST_CASE("the longest added token wins, flags apply") {
  AddedToken open{"<a", 10};
  AddedToken longer{"<ab>", 11};
  AddedToken strip{"<s>", 12, true, false, true, true};
  AddedToken word{"is", 13, false, true};
  const AddedTokens tokens(
      {open, longer, strip, word}, [](std::string_view text) { return std::string(text); }, "test");
  const auto ids = [&](std::string_view text) {
    std::vector<int32_t> result;  // -length for text
    tokens.split(text, false, [&](const TextSegment& segment) {
      result.push_back(segment.token ? segment.token->id
                                     : -static_cast<int32_t>(segment.text.size()));
    });
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
