// Recorded lengths of real requests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace eet {

// Tokens of one request.
struct RequestLengths {
  int prompt_tokens = 1;
  int new_tokens = 1;
};

struct LengthLimits {
  int64_t max_requests = 0;  // the first ones of the file; 0: all
  int max_context = 0;       // longer prompts are cut to this; 0: never
  int max_output = 0;        // likewise
};

// Reads a CSV file whose last two columns are context tokens and generated tokens; a first line
// without numbers is a heading. Lengths of 0 become 1. Throws Error naming the line that is not
// understood.
std::vector<RequestLengths> read_lengths_file(const std::string& path, const LengthLimits& limits);

}  // namespace eet
