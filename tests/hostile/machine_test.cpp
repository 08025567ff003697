// Closed streams, and signals at bad moments.
#include <doctest/doctest.h>

#include <chrono>

#include "tests/hostile/small_job.h"

namespace eet {
namespace {

int exit_code_of(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_CASE("a standard stream that is closed is named where it is needed") {
  SmallJob job;
  job.input = "-";
  const std::string err = job.dir.file("err");
  CHECK(exit_code_of(job.command() + " <&- 2>" + err) == 1);
  CHECK(read_text(err) == "eet: error: standard input: cannot stat: Bad file descriptor\n");
  job.input = job.dir.file("in.jsonl");
  job.output = "-";
  CHECK(exit_code_of(job.command() + " >&- 2>" + err) == 1);
  CHECK(read_text(err) == "eet: error: standard output: cannot open: Bad file descriptor\n");
}

TEST_CASE("with all streams closed a job from file to file writes the same output") {
  const SmallJob open;
  CHECK(exit_code_of(open.command()) == 0);
  const SmallJob closed;
  CHECK(exit_code_of(closed.command() + " <&- >&- 2>&-") == 0);
  CHECK(read_text(closed.output) == read_text(open.output));
}

TEST_CASE("SIGTERM ends a job within a second while a template renders") {
  SmallJob job;
  const std::string model = job.copy_model("tales-gpt2");
  // Takes some seconds and stays within its budget.
  job.dir.write("model/chat_template.jinja",
                "{% for i in range(2000) %}{% for j in range(1000) %}"
                "{% set x = messages[0].content == messages[0].content %}"
                "{% endfor %}{% endfor %}{{ messages[0].content }}");
  std::string rows;
  for (int i = 0; i < 20; ++i)
    rows += R"({"messages":[{"role":"user","content":"hi"}]})"
            "\n";
  job.dir.write("in.jsonl", rows);
  const std::string started = job.dir.file("started");
  const std::string script = job.command() +
                             " 2>/dev/null & p=$!; sleep 1; kill -TERM $p; "
                             "date +%s%N >" +
                             started + "; wait $p; c=$?; date +%s%N >>" + started + "; exit $c";
  const int code = exit_code_of(script);
  CHECK((code == 143 || code == 0 || code == 3));  // quick machines finish first
  const std::string times = read_text(started);
  const size_t line = times.find('\n');
  const double seconds = (std::stod(times.substr(line + 1)) - std::stod(times)) * 1e-9;
  CHECK(seconds < 1.5);
}

}  // namespace
}  // namespace eet
