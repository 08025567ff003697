// --output-format: what rows of the output look like.
#pragma once

#include "app/options.h"

namespace eet {

// Declares the flag; parsing fills `options`, which must outlive `command`.
void add_output_format_option(CLI::App& command, GenerateOptions& options);

// Makes options.format.table what --output-format says, or else the name of the output: a table for
// .csv and .tsv, also in front of .gz, .xz or .zst. Throws CLI::ValidationError where rows of the
// job are none of a table.
void settle_output_format(GenerateOptions& options);

// The delimiter that the name of an output tells; nothing where that is no table's.
std::optional<char> delimiter_of_name(std::string_view path);

}  // namespace eet
