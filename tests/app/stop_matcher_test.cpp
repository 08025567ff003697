#include "app/job/text/stop_matcher.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace eet {
namespace {

struct Result {
  std::string text;
  bool matched = false;
  bool operator==(const Result&) const = default;
};

Result run(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher(stops);
  Result result;
  for (const std::string& piece : pieces) matcher.push(piece, result.text);
  matcher.finish(result.text);
  result.matched = matcher.matched();
  return result;
}

// The definition: everything before the earliest place where any stop string stands.
Result search(const std::vector<std::string>& stops, const std::string& text) {
  size_t best = std::string::npos;
  for (const std::string& stop : stops) best = std::min(best, text.find(stop));
  return {text.substr(0, best), best != std::string::npos};
}

std::string random_word(std::mt19937& rng, int alphabet, int min_length, int max_length) {
  std::uniform_int_distribution<int> length(min_length, max_length);
  std::uniform_int_distribution<int> letter(0, alphabet - 1);
  std::string word(static_cast<size_t>(length(rng)), 'a');
  for (char& c : word) c = static_cast<char>('a' + letter(rng));
  return word;
}

std::vector<std::string> split_anywhere(std::mt19937& rng, const std::string& text) {
  std::uniform_int_distribution<size_t> length(0, 4);
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size();) {
    const size_t count = length(rng);
    pieces.push_back(text.substr(at, count));
    at += count;
  }
  return pieces;
}

TEST_CASE("without stop strings everything comes out at once") {
  StopMatcher matcher(std::vector<std::string>{});
  std::string out;
  matcher.push("abc", out);
  CHECK(out == "abc");
  CHECK_FALSE(matcher.matched());
}

TEST_CASE("a stop string is found across pieces and cut exactly") {
  CHECK(run({"\n\n"}, {"one\n", "\ntwo"}) == Result{"one", true});
  CHECK(run({"STOP"}, {"a S", "T", "O", "P b"}) == Result{"a ", true});
  CHECK(run({"STOP"}, {"STOP"}) == Result{"", true});
  CHECK(run({"STOP"}, {"STO"}) == Result{"STO", false});
}

TEST_CASE("text that may begin a stop string is held back, and no more than that") {
  StopMatcher matcher({"abcd"});
  std::string out;
  matcher.push("xxabc", out);
  CHECK(out == "xx");
  matcher.push("e", out);
  CHECK(out == "xxabce");
}

TEST_CASE("the match that starts first wins, even when another ends first") {
  CHECK(run({"bc", "abcd"}, {"xabcd"}) == Result{"x", true});
  CHECK(run({"bc", "abcd"}, {"xabc", "d"}) == Result{"x", true});
  CHECK(run({"bc", "abcd"}, {"xabc", "e"}) == Result{"xa", true});
  CHECK(run({"bc", "abcd"}, {"xabc"}) == Result{"xa", true});
}

TEST_CASE("a match waits only while an earlier one is possible") {
  StopMatcher matcher({"bc", "abcd"});
  std::string out;
  matcher.push("abc", out);
  CHECK_FALSE(matcher.matched());
  matcher.push("x", out);
  CHECK(matcher.matched());
  CHECK(out == "a");
  matcher.push("more", out);
  matcher.finish(out);
  CHECK(out == "a");
}

TEST_CASE("stop strings of several bytes a character match wherever the bytes are split") {
  CHECK(run({"\xE3\x80\x82"}, {"\xE4\xBD\xA0", "\xE3", "\x80", "\x82", "x"}) ==
        Result{"\xE4\xBD\xA0", true});
}

TEST_CASE("random texts, stop strings and splits agree with a search of the whole text") {
  std::mt19937 rng(20240607);
  for (int round = 0; round < 20000; ++round) {
    const int alphabet = 1 + round % 3;
    std::vector<std::string> stops(static_cast<size_t>(1 + round % 4));
    for (std::string& stop : stops) stop = random_word(rng, alphabet, 1, 7);
    const std::string text = random_word(rng, alphabet, 0, 40);
    const std::vector<std::string> pieces = split_anywhere(rng, text);
    CAPTURE(text);
    CAPTURE(round);
    CHECK(run(stops, pieces) == search(stops, text));
  }
}

}  // namespace
}  // namespace eet
