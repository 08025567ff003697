// The post-processors of tokenizer.json: which special tokens stand around a text.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tokenizer/json_view.h"

namespace eet {

class PostProcessor {
 public:
  // None: the text alone.
  PostProcessor() = default;

  // `post_processor` of a tokenizer.json; null means none. TokenizerError names what is not
  // supported.
  explicit PostProcessor(const JsonView& post_processor);

  // `prefix`, the text, `suffix`.
  PostProcessor(const std::vector<int32_t>& prefix, const std::vector<int32_t>& suffix);

  // `ids`, those of a text, with what belongs around them.
  std::vector<int32_t> apply(std::vector<int32_t> ids, bool add_special_tokens) const;

  // The special tokens before the text.
  std::vector<int32_t> prefix() const;

  // The largest id that it adds; -1 where it adds none.
  int32_t largest_id() const;

 private:
  // An id, or, where there is none, the whole text.
  using Item = std::optional<int32_t>;
  using Items = std::vector<Item>;

  Items with_special_tokens_ = {Item()};
  Items without_ = {Item()};
};

}  // namespace eet
