// A small job of the program's, in a directory of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {

struct SmallJob {
  SmallJob() : input(dir.write("in.jsonl", "{\"id\":1,\"prompt\":\"Once\",\"max_tokens\":3}\n")) {}

  // A copy of a sample's files, to be changed.
  std::string copy_model(const std::string& name) {
    std::filesystem::copy(sample_model(name), dir.file("model"));
    model = dir.file("model");
    return model;
  }

  std::vector<std::string> args(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"generate", "-q",   "-m",       model, "-i",        input,
                                    "-o",       output, "--device", "cpu", "--threads", threads};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  EetResult run(const std::vector<std::string>& more = {}) const { return run_eet(args(more)); }

  // The same for a shell, which may do with the program's streams and time what it wants.
  std::string command(const std::vector<std::string>& more = {}) const {
    std::string text = shell_quoted(EET_PROGRAM);
    for (const std::string& arg : args(more)) text += " " + shell_quoted(arg);
    return text;
  }

  TempDirectory dir;
  std::string model = sample_model("tales-gpt2");
  std::string input;
  std::string output = dir.file("out.jsonl");
  std::string journal = output + ".eet-journal";
  std::string threads = "2";
};

inline bool says(const EetResult& result, const char* text) {
  return result.err.find(text) != std::string::npos;
}

}  // namespace eet
