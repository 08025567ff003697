#include "app/tokenize.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>
#include <iostream>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "app/exit_code.h"
#include "app/hub_cache.h"
#include "app/job/input/json_members.h"
#include "app/job/input/line_reader.h"
#include "app/job/input/row_limits.h"
#include "app/job/output/result_file.h"
#include "app/job/text/model_tokenizer.h"
#include "app/job/text/named_files.h"

namespace eet {
namespace {

constexpr size_t kMaxLineBytes = size_t{64} << 20;
constexpr size_t kWriteBytes = size_t{1} << 18;

[[noreturn]] void fail_row(std::string code, std::string message) {
  throw BadRow(RowError{std::move(code), std::move(message)});
}

int32_t parse_id(std::string_view digits) {
  int32_t id = 0;
  const char* end = digits.data() + digits.size();
  const auto [parsed, error] = std::from_chars(digits.data(), end, id);
  if (error != std::errc() || parsed != end) {
    fail_row("invalid_ids",
             "expected token ids, got \"" + std::string(digits.substr(0, 40)) + "\"");
  }
  return id;
}

// Ids with white space or commas between them, with or without brackets around them: the JSON array
// of a row, or what the plain form writes.
std::vector<int32_t> parse_ids(std::string_view text) {
  constexpr std::string_view kSeparators = " \t\r\n,";
  const auto trim = [&] {
    const size_t first = text.find_first_not_of(" \t\r\n");
    text = first == std::string_view::npos ? "" : text.substr(first);
    text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  };
  trim();
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  std::vector<int32_t> ids;
  for (size_t at = 0; (at = text.find_first_not_of(kSeparators, at)) != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    ids.push_back(parse_id(text.substr(at, end - at)));
    at = end;
  }
  return ids;
}

std::string quoted(std::string text) {
  return nlohmann::json(std::move(text)).dump();
}

class TokenizeJob {
 public:
  explicit TokenizeJob(const TokenizeOptions& options)
      : options_(options),
        tokenizer_(open_tokenizer(options.model)),
        input_(options.input, kMaxLineBytes),
        output_(options.output, files_read()) {}

  int run() {
    output_.start();
    while (const std::optional<Line> line = input_.next()) {
      if (!is_json_lines_) detect_form(*line);
      if (is_json_lines_.value_or(false)) {
        write_row(*line);
      } else {
        write_plain(*line);
      }
    }
    flush();
    output_.finish();
    if (bad_rows_ > 0) std::cerr << "eet tokenize: " << bad_rows_ << " bad rows\n";
    return bad_rows_ > 0 ? kExitFailedRows : kExitOk;
  }

 private:
  FileIds files_read() const {
    FileIds files = named_files_of(options_.model);
    files.push_back(input_.file());
    return files;
  }

  void detect_form(const Line& line) {
    const size_t first = line.text.find_first_not_of(" \t");
    if (first != std::string_view::npos) is_json_lines_ = line.text[first] == '{';
  }

  void write_row(const Line& line) {
    const bool is_blank = line.text.find_first_not_of(" \t") == std::string_view::npos;
    if (is_blank && !line.too_long) return;
    std::string id;  // `"id":VALUE,` as the input has it
    const char* const result_key = options_.decode ? "\"text\":" : "\"ids\":";
    try {
      check_length(line);
      const std::string_view value = find_value(line, id);
      if (options_.decode) {
        const std::string text = quoted(decode(value));
        put("{", id, result_key, text, "}\n");
      } else {
        const std::vector<int32_t> ids = encode(string_of(value));
        put("{", id, result_key, "[");
        put_ids(ids, ",");
        put("]}\n");
      }
    } catch (const BadRow& bad) {
      report(line, bad.row_error());
      const nlohmann::ordered_json error = {{"code", bad.row_error().code},
                                            {"message", bad.row_error().message}};
      put("{", id, result_key, "null,\"error\":",
          error.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace), "}\n");
    }
  }

  // The JSON text of what is to be converted.
  std::string_view find_value(const Line& line, std::string& id) const {
    const char* const wanted = options_.decode ? "ids" : "text";
    std::optional<std::string_view> value;
    for (const JsonMember& member : split_members(line.text)) {
      if (member.key == "id") id.append("\"id\":").append(member.raw_value).append(",");
      if (member.key == wanted) value = member.raw_value;
    }
    if (!value) fail_row("missing_field", std::string("expected a field \"") + wanted + "\"");
    return *value;
  }

  static std::string string_of(std::string_view value) {
    if (!value.starts_with('"')) fail_row("invalid_text", "text: expected a string");
    nlohmann::json text = nlohmann::json::parse(value);
    return std::move(text.get_ref<std::string&>());
  }

  void write_plain(const Line& line) {
    try {
      check_length(line);
      if (options_.decode) {
        put(decode(line.text));
      } else {
        put_ids(encode(line.text), " ");
      }
    } catch (const BadRow& bad) {
      report(line, bad.row_error());
    }
    put("\n");
  }

  static void check_length(const Line& line) {
    if (!line.too_long) return;
    fail_row("line_too_long", "expected a line of at most " + std::to_string(kMaxLineBytes) +
                                  " bytes, got " + std::to_string(line.bytes));
  }

  std::vector<int32_t> encode(std::string_view text) const {
    try {
      return tokenizer_->encode(text, options_.add_special_tokens);
    } catch (const TokenizerError& error) {
      fail_row("invalid_text", error.what());
    } catch (const std::bad_alloc&) {
      fail_row("out_of_memory", out_of_memory().message);
    }
  }

  std::string decode(std::string_view ids) const {
    if (is_json_lines_.value_or(false) && !ids.starts_with('[')) {
      fail_row("invalid_ids", "ids: expected a list of token ids");
    }
    try {
      std::string text =
          tokenizer_->decode(parse_ids(ids), /*skip_special_tokens=*/false, kMaxLineBytes);
      if (json_bytes(text) > kMaxLineBytes) {
        fail_row("output_too_large", "ids: expected at most " + std::to_string(kMaxLineBytes) +
                                         " bytes of text as JSON, got more: cut the list");
      }
      return text;
    } catch (const TokenizerError& error) {
      fail_row("invalid_ids", error.what());
    }
  }

  void report(const Line& line, const RowError& error) {
    ++bad_rows_;
    std::cerr << input_.name() << ": line " << line.number << ": " << error.message << '\n';
  }

  // Appends the texts to the output.
  template <typename... Texts>
  void put(const Texts&... texts) {
    (buffer_.append(texts), ...);
    if (buffer_.size() >= kWriteBytes) flush();
  }

  void put_ids(const std::vector<int32_t>& ids, std::string_view separator) {
    for (size_t i = 0; i < ids.size(); ++i) {
      put(i > 0 ? separator : std::string_view(), std::to_string(ids[i]));
    }
  }

  void flush() {
    output_.write(buffer_);
    buffer_.clear();
  }

  const TokenizeOptions& options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  LineReader input_;
  ResultFile output_;
  std::optional<bool> is_json_lines_;  // not known before the first line that is not blank
  std::string buffer_;
  uint64_t bad_rows_ = 0;
};

}  // namespace

int run_tokenize(const TokenizeOptions& options) {
  return TokenizeJob(options).run();
}

void add_tokenize_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "Turn text into token ids, and back");
  command
      ->add_option("-m,--model", options->model,
                   "Directory with tokenizer files (no weights needed), or one tokenizer.model or "
                   "tokenizer.json")
      ->required();
  command
      ->add_option("-i,--input", options->input,
                   "JSON lines {\"id\", \"text\"}, or plain lines of text; \"-\" is stdin")
      ->capture_default_str();
  command
      ->add_option("-o,--output", options->output,
                   "JSON lines {\"id\", \"ids\"}, or plain lines of ids; \"-\" is stdout")
      ->capture_default_str();
  command
      ->add_option("--add-special-tokens", options->add_special_tokens,
                   "Add BOS (and EOS) where the model's reference tokenizer does")
      ->default_str("true");
  command->add_flag("--decode", options->decode, "The other way round: ids in, text out");
  command->callback([options, &exit_code] {
    options->model = locate_model(options->model);
    exit_code = run_tokenize(*options);
  });
}

}  // namespace eet
