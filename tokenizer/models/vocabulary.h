// The tokens of a model by id, and their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eet {

class Vocabulary {
 public:
  // Ids may have holes and come in any order. TokenizerError, naming `file`, for two tokens of one
  // id.
  Vocabulary(std::vector<std::pair<std::string, int32_t>>&& tokens, const std::string& file);

  // The id of the token that is exactly `text`; of two the last.
  std::optional<int32_t> find(std::string_view text) const;

  // Null where `id` stands for no token.
  const std::string* token(int32_t id) const {
    return id >= 0 && id < id_end() && present_[id] ? &tokens_[id] : nullptr;
  }

  int32_t id_end() const { return static_cast<int32_t>(tokens_.size()); }  // past the largest id
  int32_t count() const { return count_; }

 private:
  size_t slot_of(std::string_view text) const;

  std::vector<std::string> tokens_;
  std::vector<bool> present_;
  std::vector<int32_t> slots_;  // ids by their text: open addressing, at most half full, -1 free
  int32_t count_ = 0;
};

}  // namespace eet
