// Stop strings, found in text that arrives in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace eet {

// The stop strings of a row, made ready for matching once for all its samples.
class StopStrings {
 public:
  // None may be empty, nor as long as 4 GiB.
  explicit StopStrings(const std::vector<std::string>& stops);

 private:
  friend class StopMatcher;
  struct Word {
    std::string text;
    // [length of text]: longest proper prefix of text[0..i] that ends it
    std::vector<uint32_t> border;
    void advance(uint32_t& state, char c) const;
  };
  std::vector<Word> words_;
};

// The text before the earliest match of any stop string, wherever the pieces are cut. Of matches,
// the one that starts first wins, even when another ends first. Text that may still become part of
// a match is held back. Cost per byte is the number of stop strings (Knuth, Morris and Pratt's
// automaton).
class StopMatcher {
 public:
  explicit StopMatcher(std::shared_ptr<const StopStrings> stops);
  explicit StopMatcher(const std::vector<std::string>& stops)
      : StopMatcher(std::make_shared<const StopStrings>(stops)) {}

  bool empty() const { return states_.empty(); }  // there is no stop string

  // Takes the next piece, and appends to `out` what is now known to come before any match. Once
  // matched() it does nothing.
  void push(std::string_view piece, std::string& out);

  // The text has ended: appends what was held back, up to a match if there is one.
  void finish(std::string& out);

  // True once the earliest match is known. Everything before it has been appended.
  bool matched() const { return matched_; }

 private:
  size_t undecided_start() const;  // where the earliest match that may still complete starts
  void release(size_t end, std::string& out);

  std::shared_ptr<const StopStrings> stops_;
  std::vector<uint32_t> states_;  // bytes of each string that the text now ends with
  std::string held_;              // text not yet given out
  size_t held_start_ = 0;         // its place in the whole text, as for all places below
  size_t position_ = 0;           // end of the text so far
  size_t best_start_;             // of the earliest complete match so far
  bool matched_ = false;
};

}  // namespace eet
