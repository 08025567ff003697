// What people are told about an exception.
#pragma once

#include <exception>
#include <string>

namespace eet {

// The message of `error`, and what to do about the system's own errors, whose messages do not say
// it: no memory, too many open files, no more threads.
std::string error_text(const std::exception& error);

// From here on missing memory ends the program with that message and kExitFatal also where no
// exception can leave: JSON's destructors allocate.
void report_missing_memory();

// What may be behind any error: that the current directory was removed. Else empty.
std::string note_on_current_directory();

}  // namespace eet
