// Conversations, and prompts that are made such, as a user runs them.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

constexpr const char* kTemplate =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if tools %}[{{ tools[0].name }}]{% endif %}"
    "{% if documents %}({{ documents[0].text }}){% endif %}"
    "{% if not enable_thinking | default(true) %}<fast>{% endif %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

// tales-gpt2 with a chat template.
class ChatModel {
 public:
  explicit ChatModel(const std::string& chat_template = kTemplate) {
    std::filesystem::copy(sample_model("tales-gpt2"), path(),
                          std::filesystem::copy_options::recursive);
    dir_.write("model/chat_template.jinja", chat_template);
  }
  std::string path() const { return dir_.file("model"); }
  const TempDirectory& dir() const { return dir_; }

 private:
  TempDirectory dir_;
};

EetResult run(const ChatModel& model, const std::vector<json>& rows,
              const std::vector<std::string>& flags) {
  const std::string input = model.dir().write("in.jsonl", join_lines(rows));
  std::vector<std::string> args = {
      "generate", "-q", "--device",     "cpu", "-m",     model.path(),    "-i", input,
      "-o",       "-",  "--max-tokens", "1",   "--echo", "--temperature", "0"};
  args.insert(args.end(), flags.begin(), flags.end());
  return run_eet(args);
}

// The prompts that the model saw, without the one token that it adds to each.
std::vector<std::string> prompts(const ChatModel& model, const std::vector<json>& rows,
                                 const std::vector<std::string>& flags = {}) {
  std::vector<std::string> texts;
  const EetResult echoed = run(model, rows, flags);
  CAPTURE(echoed.err);
  CHECK(echoed.exit_code == 0);
  for (const json& row : parse_lines(echoed.out)) {
    const std::string text = row["text"];
    // All prompts here end with one of these.
    const size_t end = text.find_last_of(">|");
    texts.push_back(text.substr(0, end + 1));
  }
  return texts;
}

json talk(const json& messages) {
  return {{"messages", messages}};
}

const json kHi = json::parse(R"([{"role": "user", "content": "Hi"}])");

TEST_CASE("--chat makes a prompt the message of a user, and --system-prompt goes before it") {
  const ChatModel model;
  const json prompt = {{"prompt", "Hi"}};
  CHECK(prompts(model, {prompt, talk(kHi)}, {"--chat"}) ==
        std::vector<std::string>{"<user>Hi<assistant>", "<user>Hi<assistant>"});
  const json with_system = json::parse(R"([{"role": "system", "content": "own"},
                                           {"role": "user", "content": "Hi"}])");
  CHECK(prompts(model, {prompt, talk(kHi), talk(with_system)},
                {"--chat", "--system-prompt", "Be brief"}) ==
        std::vector<std::string>{"<system>Be brief<user>Hi<assistant>",
                                 "<system>Be brief<user>Hi<assistant>",
                                 "<system>own<user>Hi<assistant>"});
}

TEST_CASE("a system prompt beside messages is their first where they do not begin with one") {
  const ChatModel model;
  json row = talk(kHi);
  row["system"] = "Be \"brief\"";
  json other = talk(kHi);
  other["system_prompt"] = {{{"type", "text"}, {"text", "a"}}};
  json own = talk(json::parse(R"([{"role": "system", "content": "own"},
                                  {"role": "user", "content": "Hi"}])"));
  own["system"] = "data";
  json empty = talk(kHi);
  empty["system"] = "";
  json number = talk(kHi);
  number["system"] = 5;
  const std::vector<json> rows = {row, other, own, empty, number};
  CHECK(prompts(model, rows, {"--system-prompt", "flag"}) ==
        std::vector<std::string>{"<system>Be \"brief\"<user>Hi<assistant>",
                                 "<system>a<user>Hi<assistant>", "<system>own<user>Hi<assistant>",
                                 "<system>flag<user>Hi<assistant>",
                                 "<system>flag<user>Hi<assistant>"});
  const std::vector<json> out = parse_lines(run(model, rows, {}).out);
  CHECK_FALSE(out[0].contains("system"));
  CHECK(out[2]["system"] == "data");
  CHECK(out[4]["system"] == 5);
}

TEST_CASE("a system prompt that no conversation takes is that row's error or data, never lost") {
  const ChatModel model;
  const json beside = {{"prompt", "Hi"}, {"system", "Be brief"}};
  const json refused = parse_lines(run(model, {beside}, {"--chat"}).out)[0];
  CHECK(refused["error"]["code"] == "unsupported_parameter");
  CHECK(parse_lines(run(model, {beside}, {}).out)[0]["system"] == "Be brief");
  CHECK(prompts(model, {beside}, {"--chat", "--prompt-template", "{system}: {prompt}"}) ==
        std::vector<std::string>{"<user>Be brief: Hi<assistant>"});
  json wrong = talk(json::array());
  wrong["system"] = {{{"type", "image"}}};
  wrong["id"] = "w";
  const json bad = parse_lines(run(model, {wrong}, {}).out)[0];
  CHECK(bad["error"]["code"] == "unsupported_messages");
  CHECK(bad["id"] == "w");
}

TEST_CASE("add_special_tokens is false in a conversation, and true elsewhere") {
  const ChatModel model;
  const auto code = [&](json row, bool value, const std::vector<std::string>& flags) {
    row["add_special_tokens"] = value;
    const json done = parse_lines(run(model, {row}, flags).out)[0];
    return done["error"].is_null() ? "" : done["error"]["code"].get<std::string>();
  };
  const json prompt = {{"prompt", "Hi"}};
  CHECK(code(talk(kHi), false, {}).empty());
  CHECK(code(talk(kHi), true, {}) == "unsupported_parameter");
  CHECK(code(prompt, false, {"--chat"}).empty());
  CHECK(code(prompt, false, {}) == "unsupported_parameter");
  CHECK(code(prompt, true, {}).empty());
  const json openai = {{"custom_id", "a"},
                       {"body", {{"messages", kHi}, {"add_special_tokens", false}}}};
  CHECK(parse_lines(run(model, {openai}, {}).out)[0]["error"].is_null());
}

TEST_CASE("a template is handed tools, documents and variables, the row's before the flag's") {
  const ChatModel model;
  json row = talk(kHi);
  row["tools"] = {{{"name", "f"}}};
  row["documents"] = {{{"text", "d"}}};
  json thinking = talk(kHi);
  thinking["chat_template_kwargs"] = {{"enable_thinking", true}};
  const json prompt = {{"prompt", "Hi"}};
  CHECK(prompts(model, {row, thinking, prompt},
                {"--chat", "--chat-template-kwargs", R"({"enable_thinking": false})"}) ==
        std::vector<std::string>{"<user>Hi[f](d)<fast><assistant>", "<user>Hi<assistant>",
                                 "<user>Hi<fast><assistant>"});
}

TEST_CASE("content in parts is joined by line breaks, or stays a list for a template of lists") {
  const json row = talk(json::parse(R"([{"role": "user", "content": [
      {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])"));
  CHECK(prompts(ChatModel(), {row}) == std::vector<std::string>{"<user>a\nb<assistant>"});
  const ChatModel of_lists(
      "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}"
      "{% for part in m.content %}{{ part.text }};{% endfor %}{% endif %}{% endfor %}|");
  CHECK(prompts(of_lists, {row, talk(kHi)}) == std::vector<std::string>{"a;b;|", "Hi|"});
}

TEST_CASE("a row may go on with its last message, and have no generation prompt") {
  const ChatModel model(
      "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
      "{% if add_generation_prompt %}<assistant>{% endif %}");
  json unfinished = talk(json::parse(R"([{"role": "user", "content": "Hi"},
                                         {"role": "assistant", "content": "Well|"}])"));
  unfinished["continue_final_message"] = true;
  json bare = talk(kHi);
  bare["add_generation_prompt"] = false;
  CHECK(prompts(model, {unfinished, bare}) ==
        std::vector<std::string>{"<user>Hi</user><assistant>Well|", "<user>Hi</user>"});
}

TEST_CASE("--chat-template wins over the model's, and must be a template") {
  const ChatModel model;
  const std::string other =
      model.dir().write("other.jinja", "{{ bos_token }}{{ messages[0].content }}|");
  CHECK(prompts(model, {talk(kHi)}, {"--chat-template", other}) == std::vector<std::string>{"Hi|"});
  const std::string broken = model.dir().write("broken.jinja", "{{ messages");
  const EetResult result = run(model, {talk(kHi)}, {"--chat-template", broken});
  CHECK(result.exit_code == 1);
  CHECK(result.err.find("broken.jinja:1") != std::string::npos);
  CHECK(run(model, {talk(kHi)}, {"--chat-template-kwargs", "[]"}).exit_code == 2);
}

TEST_CASE("raw prompts of a model with a chat template get one warning, and --chat needs one") {
  const ChatModel model;
  const json prompt = {{"prompt", "Hi"}};
  const auto warnings = [&](const std::vector<json>& rows, const std::vector<std::string>& flags) {
    const std::string err = run(model, rows, flags).err;
    size_t count = 0;
    for (size_t at = 0; (at = err.find("has a chat template", at)) != std::string::npos; ++at) {
      ++count;
    }
    return count;
  };
  CHECK(warnings({prompt, prompt}, {}) == 1);
  CHECK(warnings({talk(kHi), {{"prompt_token_ids", {5}}}}, {}) == 0);
  CHECK(warnings({prompt}, {"--chat"}) == 0);
  const EetResult none = run_eet({"generate", "-m", sample_model("tales-gpt2"), "-i", "/dev/null",
                                  "--chat", "--device", "cpu"});
  CHECK(none.exit_code == 1);
  CHECK(none.err.find("--chat-template FILE") != std::string::npos);
}

}  // namespace
}  // namespace eet
