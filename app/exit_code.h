// How the program ends, for scripts.
#pragma once

namespace eet {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFatal = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFailedRows = 3;  // the job finished, and some rows have an error
inline constexpr int kExitSignal = 128;    // plus the signal's number: 130 SIGINT, 143 SIGTERM

}  // namespace eet
