// A prompt with places for the fields of a row: --prompt-template.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eet {

// "Translate: {text}\n": {name} stands for a field, {{ and }} for braces; \n, \t, \r and \\ are
// what they are in C, as few shells write a line break between quotes.
class PromptTemplate {
 public:
  // The text of a field; nothing where the row has none.
  using FieldText = std::function<std::optional<std::string>(std::string_view name)>;

  // Throws Error, with what is wrong and where.
  explicit PromptTemplate(std::string_view source);

  // Throws BadRow (missing_field) that names an absent field.
  std::string render(const FieldText& field_text) const;

  bool uses(std::string_view field) const;

  // Names in their order in the template, each as often as it stands there.
  std::vector<std::string> fields() const;

 private:
  struct Piece {
    std::string text;  // as it is, or the name of the field
    bool is_field = false;
  };

  void append(char c);

  std::vector<Piece> pieces_;
};

}  // namespace eet
