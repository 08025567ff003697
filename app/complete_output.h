// An output that is there already when a job is to be resumed.
#pragma once

#include <optional>

#include "app/options.h"

namespace eet {

// With --resume, where the output is a file that is not empty and no journal is beside it: the exit
// code of the job that made it, after a line on stderr that says that nothing is left to do.
// Nothing in all other cases, and with --retry-errors where a row failed. Reads the input and the
// output: throws Error when the output does not have the rows of the input.
std::optional<int> exit_code_of_complete_output(const GenerateOptions& options);

}  // namespace eet
