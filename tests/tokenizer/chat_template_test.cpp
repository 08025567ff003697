#include "tokenizer/chat_template.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tokenizer/json_view.h"
#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

const std::filesystem::path kTests = EET_SOURCE_DIR "/tests/tokenizer";

nlohmann::ordered_json read_ordered(const std::filesystem::path& path) {
  return nlohmann::ordered_json::parse(read_file(path));
}

// "2024-11-05 09:07:03", local time
ChatTemplate::Time parse_time(const std::string& text) {
  std::tm time{};
  time.tm_isdst = -1;
  REQUIRE(strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &time) != nullptr);
  return std::chrono::system_clock::from_time_t(std::mktime(&time));
}

void check_rendering(const ChatTemplate& chat_template, const nlohmann::ordered_json& conversation,
                     const nlohmann::ordered_json& expected, bool add_generation_prompt,
                     ChatTemplate::Time now) {
  CAPTURE(conversation["name"].get<std::string>());
  CAPTURE(add_generation_prompt);
  const auto render = [&] {
    return chat_template.render(conversation["messages"], add_generation_prompt,
                                conversation["variables"], now);
  };
  if (expected.is_null()) {
    CHECK_THROWS_AS(render(), TokenizerError);
    return;
  }
  std::string rendered;
  try {
    rendered = render();
  } catch (const TokenizerError& error) {
    FAIL_CHECK(error.what());
  }
  CHECK(rendered == expected.get<std::string>());
}

// A directory with what a test writes into it.
class Directory {
 public:
  Directory() : path_(std::filesystem::temp_directory_path() / unique_name()) {
    std::filesystem::create_directories(path_);
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  void write(const char* name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  static std::string unique_name() {
    static int count = 0;
    return "eet_chat_template_" + std::to_string(getpid()) + "_" + std::to_string(count++);
  }

  std::filesystem::path path_;
};

std::string message_of(const std::filesystem::path& directory) {
  try {
    ChatTemplate::load(directory);
  } catch (const TokenizerError& error) {
    return error.what();
  }
  return "";
}

const nlohmann::ordered_json kHello = {{{"role", "user"}, {"content", "Hi"}}};

// The text of a template: written down in templates/, or in the tokenizer of the same name among
// the shared data, which does not come with the project. Nothing where it is absent.
std::optional<std::string> template_text(const std::string& name) {
  const std::filesystem::path path = kTests / "templates" / (name + ".jinja");
  if (std::filesystem::exists(path)) return read_file(path);
  const std::filesystem::path config = std::filesystem::path(EET_SOURCE_DIR) /
                                       "../shared/data/tokenizers" / name / "tokenizer_config.json";
  if (!std::filesystem::exists(config)) return std::nullopt;
  return read_ordered(config)["chat_template"].get<std::string>();
}

TEST_CASE("published chat templates render every conversation as transformers does") {
  const nlohmann::ordered_json goldens = read_ordered(kTests / "chat_goldens.json");
  const ChatTemplate::Time now = parse_time(goldens["now"]);
  for (const auto& item : goldens["templates"].items()) {
    const std::string& name = item.key();
    const auto& golden = item.value();
    CAPTURE(name);
    const std::optional<std::string> text = template_text(name);
    if (!text) {
      MESSAGE("skipped: no template of ", name);
      continue;
    }
    const ChatTemplate chat_template(*text, name, golden["special_tokens"]);
    const auto& conversations = goldens["conversations"];
    REQUIRE(golden["rendered"].size() == conversations.size());
    for (size_t i = 0; i < conversations.size(); ++i) {
      check_rendering(chat_template, conversations[i], golden["rendered"][i][0], false, now);
      check_rendering(chat_template, conversations[i], golden["rendered"][i][1], true, now);
    }
  }
}

TEST_CASE("what no file names is the tokenizer class's") {
  const auto render = [](const char* config, const char* model) {
    Directory directory;
    directory.write("tokenizer_config.json", config);
    directory.write("config.json", model);
    directory.write("chat_template.jinja",
                    "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
    return ChatTemplate::load(directory.path())->render(kHello, false);
  };
  CHECK(render(R"({"tokenizer_class": "LlamaTokenizerFast"})", "{}") == "<s>Hi</s>");
  CHECK(render(R"({"tokenizer_class": "LlamaTokenizer", "bos_token": null})", "{}") == "Hi</s>");
  CHECK(render("{}", R"({"model_type": "gpt2"})") == "<|endoftext|>Hi<|endoftext|>");
  CHECK(render("{}", R"({"model_type": "none"})") == "Hi");
}

TEST_CASE("a directory's template sees its special tokens") {
  Directory directory;
  directory.write("tokenizer_config.json",
                  R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": null,
                      "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"})");
  directory.write("special_tokens_map.json", R"({"bos_token": "ignored", "eos_token": "</s>"})");
  CHECK(ChatTemplate::load(directory.path())->render(kHello, false) == "<s>Hi</s>");

  SUBCASE("and chat_template.jinja wins") {
    directory.write("chat_template.jinja", "{{ bos_token }}jinja\n");
    CHECK(ChatTemplate::load(directory.path())->render(kHello, false) == "<s>jinja");
  }
  SUBCASE("and variables of the call override them") {
    CHECK(ChatTemplate::load(directory.path())->render(kHello, false, {{"bos_token", "!"}}) ==
          "!Hi</s>");
  }
}

TEST_CASE("of several templates the default one is taken") {
  Directory directory;
  directory.write("tokenizer_config.json", R"({"chat_template": [
      {"name": "tool_use", "template": "tools"}, {"name": "default", "template": "default"}]})");
  CHECK(ChatTemplate::load(directory.path())->render(kHello, false) == "default");
  directory.write("tokenizer_config.json",
                  R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  CHECK(message_of(directory.path()).find("a template named 'default'") != std::string::npos);
}

TEST_CASE("a model without a chat template has none") {
  Directory directory;
  CHECK_FALSE(ChatTemplate::load(directory.path()).has_value());
  directory.write("tokenizer_config.json", R"({"chat_template": null})");
  CHECK_FALSE(ChatTemplate::load(directory.path()).has_value());
}

TEST_CASE("errors of chat templates name file and line") {
  Directory directory;
  directory.write("chat_template.jinja", "a\nb\n{% include f() %}{% endcall %}\n");
  CHECK(message_of(directory.path()) ==
        (directory.path() / "chat_template.jinja").string() +
            ":3: chat template: '{% include %}' is not supported here");
  const ChatTemplate refusing("\n{{ raise_exception('only users') }}", "model", {});
  CHECK_THROWS_WITH_AS(refusing.render(kHello, true), "model:2: chat template: only users",
                       TokenizerError);
}

TEST_CASE("strftime_now tells the time that is given") {
  const ChatTemplate dated("{{ strftime_now('%d %b %Y, %H:%M, %A, %-d') }}", "dated", {});
  CHECK(dated.render(kHello, false, nlohmann::ordered_json::object(),
                     parse_time("2024-03-04 05:06:07")) == "04 Mar 2024, 05:06, Monday, 4");
  const ChatTemplate strange("{{ strftime_now('%Q') }}", "strange", {});
  CHECK_THROWS_AS(strange.render(kHello, false), TokenizerError);
}

// The models' own files, where they are; the templates of the goldens are the same ones.
TEST_CASE("templates load from the directories of real tokenizers") {
  for (const char* name : {"llama3", "qwen3"}) {
    const std::filesystem::path directory =
        std::filesystem::path(EET_SOURCE_DIR "/../shared/data/tokenizers") / name;
    if (!std::filesystem::exists(directory)) {
      MESSAGE("skipped: there is no " << directory.string());
      continue;
    }
    const std::optional<ChatTemplate> chat_template = ChatTemplate::load(directory);
    REQUIRE(chat_template.has_value());
    CHECK(chat_template->render(kHello, true).find("Hi") != std::string::npos);
  }
}

}  // namespace
}  // namespace eet
