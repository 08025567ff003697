#include "tokenizer/pipeline/split_behavior.h"

#include <algorithm>
#include <string>

namespace eet {
namespace {

struct Stretch {
  size_t begin;
  size_t end;
  bool is_delimiter;
};

// The whole of `text` in order: matches, which may be empty, and what lies between them.
std::vector<Stretch> stretches(std::string_view text, const std::vector<TextRange>& matches,
                               bool invert) {
  std::vector<Stretch> all;
  all.reserve(2 * matches.size() + 1);
  size_t done = 0;
  for (const TextRange& match : matches) {
    if (match.begin != done) all.push_back({done, match.begin, invert});
    all.push_back({match.begin, match.end, !invert});
    done = match.end;
  }
  if (done != text.size()) all.push_back({done, text.size(), invert});
  return all;
}

// A delimiter joins the stretch before it, unless that is a delimiter too.
std::vector<Stretch> merged_with_previous(const std::vector<Stretch>& all) {
  std::vector<Stretch> merged;
  bool after_delimiter = false;
  for (const Stretch& stretch : all) {
    if (stretch.is_delimiter && !after_delimiter && !merged.empty()) {
      merged.back().end = stretch.end;
    } else {
      merged.push_back(stretch);
    }
    after_delimiter = stretch.is_delimiter;
  }
  return merged;
}

std::vector<Stretch> merged_with_next(const std::vector<Stretch>& all) {
  std::vector<Stretch> merged;
  bool before_delimiter = false;
  for (size_t i = all.size(); i-- > 0;) {
    const Stretch& stretch = all[i];
    if (stretch.is_delimiter && !before_delimiter && !merged.empty()) {
      merged.back().begin = stretch.begin;
    } else {
      merged.push_back(stretch);
    }
    before_delimiter = stretch.is_delimiter;
  }
  std::reverse(merged.begin(), merged.end());
  return merged;
}

// Delimiters in a row are one.
std::vector<Stretch> contiguous(const std::vector<Stretch>& all) {
  std::vector<Stretch> joined;
  bool previous = false;
  for (const Stretch& stretch : all) {
    if (stretch.is_delimiter == previous && !joined.empty()) {
      joined.back().end = stretch.end;
    } else {
      joined.push_back(stretch);
    }
    previous = stretch.is_delimiter;
  }
  return joined;
}

void keep_all(const Word& word, const std::vector<Stretch>& all, Words& words) {
  for (const Stretch& stretch : all) words.keep(word.part(stretch.begin, stretch.end));
}

// Both kinds of stretch are kept alike, so that the list of stretches need not be made.
void keep_isolated(const Word& word, Words& words) {
  size_t done = 0;
  for (const TextRange& match : words.matches) {
    words.keep(word.part(done, match.begin));
    words.keep(word.part(match.begin, match.end));
    done = match.end;
  }
  words.keep(word.part(done, word.text.size()));
}

}  // namespace

SplitBehavior read_split_behavior(const JsonView& behavior) {
  const std::string& name = behavior.string();
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  behavior.fail("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

void split_word(const Word& word, const Pattern& pattern, SplitBehavior behavior, bool invert,
                Words& words) {
  words.matches.clear();
  pattern.find_all(word.text, words.matches);
  if (behavior == SplitBehavior::kIsolated) {
    keep_isolated(word, words);
    return;
  }
  const std::vector<Stretch> all = stretches(word.text, words.matches, invert);
  switch (behavior) {
    case SplitBehavior::kRemoved:
      for (const Stretch& stretch : all) {
        if (!stretch.is_delimiter) words.keep(word.part(stretch.begin, stretch.end));
      }
      break;
    case SplitBehavior::kMergedWithPrevious:
      keep_all(word, merged_with_previous(all), words);
      break;
    case SplitBehavior::kMergedWithNext:
      keep_all(word, merged_with_next(all), words);
      break;
    case SplitBehavior::kIsolated:
    case SplitBehavior::kContiguous:
      keep_all(word, contiguous(all), words);
      break;
  }
}

}  // namespace eet
