#include "tokenizer/pipeline/split_behavior.h"

#include <string>

namespace eet {
namespace {

struct Stretch {
  size_t begin;
  size_t end;
  bool is_delimiter;
};

// Hands on parts of a word, as the behavior has them, while stretches come in their order.
class Splitter {
 public:
  Splitter(const Word& word, SplitBehavior behavior, WordSink sink)
      : word_(word), behavior_(behavior), sink_(sink) {}

  void add(const Stretch& next) {
    if (behavior_ == SplitBehavior::kRemoved && next.is_delimiter) return;
    if (behavior_ == SplitBehavior::kRemoved || behavior_ == SplitBehavior::kIsolated) {
      put(next);
    } else if (!has_held_) {
      hold(next);
    } else if (joins(next)) {
      held_.end = next.end;
      held_.is_delimiter = next.is_delimiter;
    } else {
      put(held_);
      hold(next);
    }
  }

  void finish() const {
    if (has_held_) put(held_);
  }

 private:
  // Whether a stretch is one part with the one before it, which may be joined to others already.
  bool joins(const Stretch& next) const {
    switch (behavior_) {
      case SplitBehavior::kMergedWithPrevious:
        return next.is_delimiter && !held_.is_delimiter;
      case SplitBehavior::kMergedWithNext:
        return held_.is_delimiter && !next.is_delimiter;
      case SplitBehavior::kContiguous:
        return held_.is_delimiter == next.is_delimiter;
      case SplitBehavior::kIsolated:
      case SplitBehavior::kRemoved:
        break;
    }
    return false;
  }

  void hold(const Stretch& stretch) {
    held_ = stretch;
    has_held_ = true;
  }
  void put(const Stretch& stretch) const { sink_(word_.part(stretch.begin, stretch.end)); }

  const Word& word_;
  SplitBehavior behavior_;
  WordSink sink_;
  Stretch held_{};  // the part under way; is_delimiter is that of its last stretch
  bool has_held_ = false;
};

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
                WordSink sink) {
  // The whole of the word in order: matches, which may be empty, and what lies between them.
  Splitter parts(word, behavior, sink);
  size_t done = 0;
  pattern.find_all(word.text, [&](const TextRange& match) {
    if (match.begin != done) parts.add({done, match.begin, invert});
    parts.add({match.begin, match.end, !invert});
    done = match.end;
  });
  if (done != word.text.size()) parts.add({done, word.text.size(), invert});
  parts.finish();
}

}  // namespace eet
