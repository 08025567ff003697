// Standard input, output and error as the program was started with.
#pragma once

namespace eet {

// To be called first of all. A stream that is closed is given to /dev/null, in the direction that
// fails: otherwise the next file that is opened gets its number, and messages go into that file.
void reserve_standard_streams();

// Whether the stream `fd`, 0 to 2, was closed then.
bool was_closed(int fd);

}  // namespace eet
