// Stop strings, found in text that arrives in pieces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace eet {

// The text before the earliest match of any stop string, wherever the pieces are cut. Of matches,
// the one that starts first wins, even when another ends first. Text that may still become part of
// a match is held back. Cost per byte is the number of stop strings (Knuth, Morris and Pratt's
// automaton).
class StopMatcher {
 public:
  // No string of `stops` may be empty.
  explicit StopMatcher(const std::vector<std::string>& stops);

  // Takes the next piece, and appends to `out` what is now known to come before any match. Once
  // matched() it does nothing.
  void push(std::string_view piece, std::string& out);

  // The text has ended: appends what was held back, up to a match if there is one.
  void finish(std::string& out);

  // True once the earliest match is known. Everything before it has been appended.
  bool matched() const { return matched_; }

 private:
  struct Automaton {
    std::string stop;
    std::vector<size_t>
        border;        // [length of stop]: longest proper prefix of stop[0..i] that ends it
    size_t state = 0;  // bytes of `stop` that the text now ends with
    void advance(char c);
  };

  size_t undecided_start() const;  // where the earliest match that may still complete starts
  void release(size_t end, std::string& out);

  std::vector<Automaton> automata_;
  std::string held_;       // text not yet given out
  size_t held_start_ = 0;  // its place in the whole text, as for all places below
  size_t position_ = 0;    // end of the text so far
  size_t best_start_;      // of the earliest complete match so far
  bool matched_ = false;
};

}  // namespace eet
