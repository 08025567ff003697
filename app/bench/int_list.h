// Lists of numbers on the command line, as llama-bench writes them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace eet {

// "512", "1,32,128", "0-1024+256" (first-last+step), "1-256*4" (first-last*factor), "1-4", and
// comma lists of these. Numbers up to 2^24, lists up to 4096. Throws Error.
std::vector<int> parse_int_list(const std::string& text);

// "512+128,1000+1000": pairs of (prompt tokens, generated tokens), each at least 1. Throws Error.
std::vector<std::pair<int, int>> parse_pair_list(const std::string& text);

}  // namespace eet
