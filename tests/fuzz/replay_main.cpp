// Runs a fuzz target without libFuzzer: on every file of a corpus, then on random changes of them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/entry.h"
#include "tests/fuzz/mutator.h"

namespace {

std::vector<std::string> read_corpus(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const std::filesystem::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::cerr
        << "usage: " << argv[0] << " CORPUS EXECUTIONS [LAST]\n"
        << "Writes each input to the file LAST before it is tried, to find the one that fails\n";
    return 2;
  }
  const std::vector<std::string> corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::cerr << argv[1] << ": no inputs\n";
    return 2;
  }
  const auto run = [&](const std::string& bytes) {
    if (argc == 4) std::ofstream(argv[3], std::ios::binary) << bytes;
    // On the heap in its exact size, so that a read behind it shows.
    const std::vector<uint8_t> data(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(data.data(), data.size());
  };
  for (const std::string& bytes : corpus) run(bytes);
  eet::Mutator mutator(corpus);
  const long executions = std::strtol(argv[2], nullptr, 10);
  for (long i = 0; i < executions; ++i) run(mutator.next());
  std::cout << corpus.size() << " inputs of the corpus and " << executions << " made from them\n";
}
