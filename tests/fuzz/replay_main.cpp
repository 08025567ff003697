// Runs a fuzz target without libFuzzer: on every file of a corpus, then on random changes of them.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/entry.h"

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

class Mutator {
 public:
  // `corpus` is not empty, and must outlive the mutator.
  explicit Mutator(const std::vector<std::string>& corpus) : corpus_(corpus) {}

  // One of the corpus with one to four changes.
  std::string next() {
    std::string bytes = pick();
    for (size_t changes = 1 + below(4); changes > 0; --changes) change(bytes);
    return bytes;
  }

 private:
  // The same numbers everywhere, unlike std::uniform_int_distribution.
  size_t below(size_t limit) { return random_() % limit; }
  const std::string& pick() { return corpus_[below(corpus_.size())]; }

  void change(std::string& bytes) {
    const size_t at = below(bytes.size() + 1);
    const size_t length = 1 + below(16);
    switch (below(6)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(below(256));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>('0' + below(10));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 4: {  // a piece of another input
        const std::string& other = pick();
        bytes.insert(at, other.substr(below(other.size() + 1), length));
        break;
      }
      default:
        bytes.resize(at);
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937 random_{20240607};
};

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
  Mutator mutator(corpus);
  const long executions = std::strtol(argv[2], nullptr, 10);
  for (long i = 0; i < executions; ++i) run(mutator.next());
  std::cout << corpus.size() << " inputs of the corpus and " << executions << " made from them\n";
}
