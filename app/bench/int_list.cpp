#include "app/bench/int_list.h"

#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr int kMaxNumber = 1 << 24;
constexpr size_t kMaxNumbers = 4096;

// Reads a text from its front.
class Scanner {
 public:
  explicit Scanner(const std::string& text) : text_(text), rest_(text) {}

  bool at_end() const { return rest_.empty(); }

  bool take(char wanted) {
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  int number() {
    int value = -1;
    const bool signless = !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (!signless || error != std::errc() || value > kMaxNumber) refuse();
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }

  [[noreturn]] void refuse() const {
    throw Error(
        concat("expected numbers up to ", kMaxNumber, " at '", rest_, "' of '", text_, "'"));
  }

 private:
  std::string_view text_;
  std::string_view rest_;
};

void add_range(Scanner& scanner, std::vector<int>& numbers) {
  const int first = scanner.number();
  int last = first;
  int step = 1;
  int factor = 1;
  if (scanner.take('-')) {
    last = scanner.number();
    if (scanner.take('+')) {
      step = scanner.number();
    } else if (scanner.take('*')) {
      factor = scanner.number();
      step = 0;
    }
    const bool ends = step > 0 || (factor > 1 && first > 0);
    if (last < first || !ends) scanner.refuse();
  }
  for (int64_t number = first; number <= last; number = number * factor + step) {
    if (numbers.size() == kMaxNumbers) scanner.refuse();
    numbers.push_back(static_cast<int>(number));
  }
}

}  // namespace

std::vector<int> parse_int_list(const std::string& text) {
  Scanner scanner(text);
  std::vector<int> numbers;
  do {
    add_range(scanner, numbers);
  } while (scanner.take(','));
  if (!scanner.at_end()) scanner.refuse();
  return numbers;
}

std::vector<std::pair<int, int>> parse_pair_list(const std::string& text) {
  Scanner scanner(text);
  std::vector<std::pair<int, int>> pairs;
  do {
    const int first = scanner.number();
    if (first == 0 || !scanner.take('+')) scanner.refuse();
    const int second = scanner.number();
    if (second == 0 || pairs.size() == kMaxNumbers) scanner.refuse();
    pairs.emplace_back(first, second);
  } while (scanner.take(','));
  if (!scanner.at_end()) scanner.refuse();
  return pairs;
}

}  // namespace eet
