// Files that are not the program's to change.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/hostile/small_job.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

const std::string kPrecious = "1\n2\n3\n";

TEST_CASE("a link at the journal's name is left alone, and so is what it leads to") {
  for (const char* flag : {"--overwrite", "--resume", "--no-journal"}) {
    CAPTURE(flag);
    const SmallJob job;
    job.dir.write("precious", kPrecious);
    fs::create_symlink("precious", job.journal);
    const EetResult result = job.run({flag});
    CHECK(result.exit_code == 1);
    CHECK(says(result, "got a symbolic link"));
    CHECK(read_text(job.dir.file("precious")) == kPrecious);
    CHECK(fs::is_symlink(job.journal));
  }
}

TEST_CASE("a file at the journal's name that is no journal is left alone, however short") {
  for (const std::string& content : {kPrecious, std::string("x"), std::string(5000, 'x')}) {
    for (const char* flag : {"--overwrite", "--resume", "--keep-journal"}) {
      CAPTURE(flag);
      const SmallJob job;
      job.dir.write("out.jsonl.eet-journal", content);
      const EetResult result = job.run({flag});
      CHECK(result.exit_code == 1);
      CHECK(says(result, "expected a journal of eet"));
      CHECK(read_text(job.journal) == content);
    }
  }
}

TEST_CASE("an output that is a link to nothing is written where the link leads") {
  const SmallJob job;
  fs::create_directory(job.dir.file("scratch"));
  fs::create_symlink("scratch/out.jsonl", job.output);
  CHECK(job.run().exit_code == 0);
  CHECK(fs::is_symlink(job.output));
  CHECK(fs::is_regular_file(job.dir.file("scratch/out.jsonl")));
}

TEST_CASE("a name that has just room for its journal's is good for an output") {
  SmallJob job;
  job.output = job.dir.file(std::string(243, 'x'));
  const EetResult result = job.run();
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
  CHECK(fs::file_size(job.output) > 0);
}

TEST_CASE("links that lead in a circle are refused") {
  const SmallJob job;
  fs::create_symlink("out.jsonl", job.output);
  const EetResult result = job.run();
  CHECK(result.exit_code == 1);
  CHECK(says(result, "in a circle"));
}

TEST_CASE("two names of one file are refused") {
  const SmallJob job;
  CHECK(says(job.run({"--stats", job.journal}), "already in use"));
  fs::remove(job.journal);
  fs::create_hard_link(job.input, job.journal);
  CHECK(says(job.run(), "already in use"));
}

TEST_CASE("an output may not be a file of the model") {
  SmallJob job;
  const std::string model = job.copy_model("tales-gpt2");
  job.output = model + "/tokenizer.json";
  const std::string before = read_text(job.output);
  const EetResult result = job.run({"--overwrite"});
  CHECK(result.exit_code == 1);
  CHECK(says(result, "already in use"));
  CHECK(read_text(job.output) == before);
}

TEST_CASE("no file that a command reads is written, whatever the flag that names it") {
  SmallJob job;
  const std::string model = job.copy_model("tales-gpt2");
  const std::string row = "{\"text\":\"a\",\"prompt\":\"a\",\"max_tokens\":1}\n";
  job.dir.write("in.jsonl", row);
  const auto check_kept = [&](const std::string& file, const std::vector<std::string>& flags) {
    CAPTURE(file);
    const std::string before = read_text(file);
    std::vector<std::string> args = {"tokenize", "-m", model, "-i", job.input, "-o", file};
    if (file.starts_with(model)) CHECK(says(run_eet(args), "already in use"));
    args[0] = "score";
    args.insert(args.end(), {"--overwrite", "--device", "cpu"});
    args.insert(args.end(), flags.begin(), flags.end());
    CHECK(says(run_eet(args), "already in use"));
    args[0] = "generate";
    CHECK(says(run_eet(args), "already in use"));
    args[6] = job.output;
    args.insert(args.end(), {"--stats", file});
    CHECK(says(run_eet(args), "already in use"));
    CHECK(read_text(file) == before);
  };
  for (const char* name : {"/config.json", "/model.safetensors", "/tokenizer.json"}) {
    check_kept(model + name, {});
  }
  const std::string chat = job.dir.write("chat.jinja", "{{ messages[0].content }}");
  check_kept(chat, {"--chat-template", chat});
  const std::string flags = job.dir.write("flags.toml", "threads = 1\n");
  check_kept(flags, {"--config", flags});
}

TEST_CASE("a merged output replaces neither a part nor what says of which job it is") {
  const SmallJob job;
  REQUIRE(job.run({"--shard", "0/2"}).exit_code == 0);
  const std::string check = job.output + ".eet-shard";
  const std::string before = read_text(check);
  const EetResult result = run_eet({"merge", "-o", check, job.output});
  CHECK(says(result, "expected another file for the output, got one of the parts"));
  CHECK(read_text(check) == before);
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

TEST_CASE("journal and output have the permissions of the output that is replaced") {
  const SmallJob job;
  job.dir.write("out.jsonl", "old");
  fs::permissions(job.output, fs::perms::owner_read | fs::perms::owner_write);
  CHECK(job.run({"--keep-journal", "--overwrite"}).exit_code == 0);
  CHECK(mode_of(job.output) == 0600);
  CHECK(mode_of(job.journal) == 0600);
}

TEST_CASE("nothing but the output stays") {
  const SmallJob job;
  CHECK(job.run().exit_code == 0);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(job.dir.file(""))) ++files;
  CHECK(files == 2);  // the input and the output
}

TEST_CASE("conversions replace what a conversion wrote, and nothing else") {
  const SmallJob job;
  const std::string model = job.dir.file("converted");
  CHECK(run_eet({"convert", job.model, model}).exit_code == 0);
  CHECK(run_eet({"convert", job.model, model, "--force"}).exit_code == 0);
  fs::create_directory(model + "/src");
  job.dir.write("converted/src/thesis.tex", kPrecious);
  CHECK(says(run_eet({"convert", job.model, model, "--force"}), "holds src"));
  CHECK(read_text(model + "/src/thesis.tex") == kPrecious);
  fs::remove_all(model + "/src");
  fs::create_directory_symlink(model, job.dir.file("link"));
  CHECK(says(run_eet({"convert", job.model, job.dir.file("link"), "--force"}), "a symbolic link"));
  CHECK(fs::is_symlink(job.dir.file("link")));
  fs::create_symlink("/etc/passwd", model + "/merges.txt.link");
  CHECK(says(run_eet({"convert", job.model, model, "--force"}), "holds merges.txt.link"));
}

// Starts a job of some seconds, runs `meddle` in the shell meanwhile, and gives its messages.
std::string messages_of_meddled_job(const SmallJob& job, const std::string& meddle) {
  std::string rows;
  for (int i = 0; i < 3000; ++i) {
    rows += R"({"prompt":"Once upon a time","max_tokens":60,"ignore_eos":true})"
            "\n";
  }
  job.dir.write("in.jsonl", rows);
  const std::string journal = shell_quoted(job.journal);
  const std::string err = job.dir.file("err");
  const std::string script =
      job.command() + " 2>" + err + " & p=$!; for i in $(seq 200); do [ -s " + journal +
      " ] && [ $(stat -c %s " + journal + ") -gt 2000 ] && break; sleep 0.05; done; cd " +
      shell_quoted(job.dir.file("")) + "; " + meddle + "; wait $p";
  CHECK(std::system(script.c_str()) != 0);
  return read_text(err);
}

TEST_CASE("a journal that is removed, replaced or cut under the job is noticed") {
  const auto mentions = [](const std::string& text, const char* what) {
    CAPTURE(text);
    CHECK(text.find(what) != std::string::npos);
  };
  const SmallJob removed;
  std::string text = messages_of_meddled_job(removed, "rm out.jsonl.eet-journal");
  mentions(text, "removed or replaced while the job ran");
  mentions(text, "; none of ");
  const SmallJob replaced;
  text =
      messages_of_meddled_job(replaced, "echo mine > new; mv new out.jsonl.eet-journal; sleep 2");
  mentions(text, "removed or replaced while the job ran");
  CHECK(read_text(replaced.journal) == "mine\n");
  const SmallJob cut;
  text = messages_of_meddled_job(cut, ": > out.jsonl.eet-journal");
  mentions(text, "was cut to");
  mentions(text, "; none of ");
}

TEST_CASE("a disk that gets full costs nothing that is finished, and the job goes on with more") {
  const auto write_rows = [](const SmallJob& job) {
    std::string rows;
    for (int i = 0; i < 300; ++i) {
      rows += "{\"prompt\":\"Row " + std::to_string(i) + "\",\"max_tokens\":2}\n";
    }
    job.dir.write("in.jsonl", rows);
  };
  const SmallJob whole;
  write_rows(whole);
  REQUIRE(whole.run().exit_code == 0);
  const SmallJob job;
  write_rows(job);
  const std::string err = job.dir.file("err");
  // In blocks of 512 bytes: the journal ends in one of its rows.
  CHECK(std::system(("ulimit -f 40; " + job.command() + " 2>" + err).c_str()) != 0);
  const std::string text = read_text(err);
  CAPTURE(text);
  CHECK(text.find("File too large; allow larger files (ulimit -f); ") != std::string::npos);
  CHECK(text.find("finished rows are left in ") != std::string::npos);
  const EetResult resumed = job.run({"--resume"});
  CHECK(resumed.exit_code == 0);
  CHECK(read_text(job.output) == read_text(whole.output));
}

TEST_CASE("a device without room does not count as written to") {
  SmallJob job;
  job.output = "/dev/full";
  const EetResult result = job.run();
  CAPTURE(result.err);
  CHECK(result.exit_code == 1);
  CHECK(says(result, "/dev/full: cannot write: No space left on device"));
  CHECK(says(result, "the output is incomplete"));
  CHECK_FALSE(says(result, "rows were written"));
}

TEST_CASE("a pipe waits for its reader, but not forever") {
  const SmallJob job;
  const std::string pipe = job.dir.file("pipe");
  const std::string read = job.dir.file("read");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const std::string reader = "(sleep 0.5; cat " + pipe + " > " + read + ") & ";
  REQUIRE(std::system((reader + job.command({"--stats", pipe}) + "; wait").c_str()) == 0);
  CHECK(nlohmann::json::parse(read_text(read))["finish_reasons"]["length"] == 1);

  const EetResult alone = job.run({"--stats", pipe, "--overwrite"});
  CAPTURE(alone.err);
  CHECK(alone.exit_code == 1);
  CHECK(says(alone, "expected a program that reads this pipe: start it first"));
}

TEST_CASE("an output in memory has a journal, as on any other disk") {
  const std::string output = "/dev/shm/eet-test-" + std::to_string(::getpid()) + ".jsonl";
  SmallJob job;
  job.output = output;
  CHECK(job.run({"--keep-journal"}).exit_code == 0);
  CHECK(std::filesystem::remove(output + ".eet-journal"));
  CHECK(std::filesystem::remove(output));
}

}  // namespace
}  // namespace eet
