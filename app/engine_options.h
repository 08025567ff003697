// The flags of the engine, which `generate` and `bench` have in common.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "app/engines.h"
#include "lib/engine.h"

namespace eet {

// Declares the flags; parsing fills `engine`, and the names of its schedule and prompt policy,
// whose values so far are the defaults. All of them must outlive `command`.
void add_engine_options(CLI::App& command, EngineOptions& engine, std::string& schedule,
                        std::string& prompt_policy);

// Declares --data-parallel-size; `size` so far is the default.
void add_data_parallel_option(CLI::App& command, DataParallelSize& size);

}  // namespace eet
