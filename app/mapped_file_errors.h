// What becomes of the program when a file that it has mapped goes away under it.
#pragma once

namespace eet {

// From here on SIGBUS, which comes when a mapped file has become shorter or its disk fails, ends
// the program with a message and kExitFatal. Only while a model is loaded is anything mapped.
void report_mapped_file_errors();

}  // namespace eet
