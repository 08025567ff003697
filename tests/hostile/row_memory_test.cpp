// Rows of 64 MiB, of many kinds: each ends well or with its error, and no run takes more than 1 GiB
// beyond what a job takes anyway.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include "tests/hostile/small_job.h"

namespace eet {
namespace {

constexpr size_t kRowBytes = (size_t{64} << 20) - 256;
constexpr long kMaxKiB = 1L << 20;

// `unit` again and again.
std::string repeated(const std::string& unit, size_t bytes = kRowBytes) {
  std::string text;
  text.reserve(bytes);
  while (text.size() + unit.size() <= bytes) text += unit;
  return text;
}

std::string words() {
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text += "word" + std::to_string(i * i % 977) + (i % 7 ? " " : ", ");
  return repeated(text);
}

// {"k0":0,"k1":0,...}
std::string numbered_members() {
  std::string text = "{";
  for (int i = 0; text.size() < kRowBytes; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  text.back() = '}';
  return text;
}

// The largest resident size of any process so far that this one waited for.
long peak_kib() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  return usage.ru_maxrss;
}

void check_memory(const EetResult& result) {
  CAPTURE(result.err.substr(0, 400));
  CHECK((result.exit_code == 0 || result.exit_code == 3));
  CHECK(peak_kib() < kMaxKiB);
}

TEST_CASE("texts of 64 MiB are tokenized, or refused, within 1 GiB") {
  const TempDirectory dir;
  for (const std::string model : {"tales-gpt2", "tales-llama"}) {
    CAPTURE(model);
    const auto tokenize = [&](const std::string& row, std::vector<std::string> flags = {}) {
      CAPTURE(row.substr(0, 40));
      dir.write("in", row + "\n");
      flags.insert(flags.begin(), {"tokenize", "-m", sample_model(model), "-i", dir.file("in"),
                                   "-o", dir.file("out")});
      check_memory(run_eet(flags));
    };
    tokenize("{\"text\":\"" + repeated("a") + "\"}");
    tokenize("{\"text\":\"" + words() + "\"}");
    if (model == "tales-llama") continue;  // refuses them by their length
    tokenize("{\"text\":\"" + repeated("7 ") + "\"}");
    tokenize("{\"text\":\"" + repeated("\\u0001") + "\"}");
    tokenize(repeated(" ! "));
    tokenize("{\"ids\":[" + repeated("500,") + "5]}", {"--decode"});
  }
}

TEST_CASE("rows of 64 MiB are refused within 1 GiB, whatever they are made of") {
  const SmallJob job;
  const auto generate = [&](const std::string& row, const std::vector<std::string>& flags = {}) {
    CAPTURE(row.substr(0, 60));
    job.dir.write("in.jsonl", row + "\n");
    std::vector<std::string> all = {"--overwrite"};
    all.insert(all.end(), flags.begin(), flags.end());
    check_memory(job.run(all));
  };
  const std::string message = R"({"role":"user","content":"a"})";
  generate(numbered_members());
  generate(R"({"prompt":"a","x":)" + numbered_members() + "}");
  generate("{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"x\":" + numbered_members() +
           "}]}");
  generate("{\"messages\":[" + repeated(message + ",") + message + "]}");
  generate("{\"messages\":[{\"role\":\"user\",\"content\":\"" + repeated("\\u0001") + "\"}]}");
  generate("{\"prompt\":\"a\",\"stop\":[" + repeated("\"a\",") + "\"b\"]}");
  generate("{\"prompt_token_ids\":[" + repeated("5,") + "6]}");
  generate("{\"prompt\":\"a\",\"id\":\"" + repeated("\\u0001") + "\"}", {"--echo"});
  generate(std::string(kRowBytes, '\x01'), {"--input-format", "text"});
  generate("prompt\n\"" + repeated("a\"\"") + "\"", {"--input-format", "csv"});
  generate("prompt\n" + std::string(kRowBytes, ','), {"--input-format", "csv"});
  generate("[{\"prompt\":\"" + repeated("\\n") + "\"}]");
}

TEST_CASE("whatever a template makes of a text takes less than 1 GiB") {
  const SmallJob job;
  job.dir.write("in.jsonl", R"({"messages":[{"role":"user","content":"a"}]})");
  for (const std::string expression :
       {R"(('a' * 100000000).split('a'))", R"(('a ' * 50000000).split())",
        R"(('a' * 100000000).rsplit('a'))", R"(('\n' * 100000000).splitlines())",
        R"(('\n' * 60000000)|indent(1))", R"(('\x01' * 100000000)|tojson)",
        R"(['\x01' * 100000000]|string)"}) {
    CAPTURE(expression);
    const std::string file = job.dir.write("t.jinja", "{% set x = " + expression + " %}");
    check_memory(job.run({"--overwrite", "--chat-template", file}));
  }
}

TEST_CASE("memory that a compressed input asks for and does not get is told as that") {
  SmallJob job;
  // A window of 2 GiB.
  const std::string frame("\x28\xB5\x2F\xFD\x00\xA8\x19\x00\x00x\n\n", 12);
  job.input = job.dir.write("in.jsonl.zst", frame);
  const std::string command = "ulimit -v 1500000; exec " + job.command() + " 2>";
  CHECK(std::system((command + shell_quoted(job.dir.file("err"))).c_str()) != 0);
  const std::string err = read_text(job.dir.file("err"));
  CAPTURE(err);
  CHECK(err.find("in.jsonl.zst: not enough memory to decompress it") != std::string::npos);
}

}  // namespace
}  // namespace eet
