// The flags that decide what survives a crash.
#pragma once

#include <CLI/App.hpp>

#include "app/job/output/job_output.h"

namespace eet {

// Declares the flags; parsing fills `options`, which must outlive `command`.
void add_safety_options(CLI::App& command, SafetyOptions& options);

}  // namespace eet
