// The part of TOML that a file of flags needs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace eet {

// key = value, with the value as a command line would have it.
struct TomlEntry {
  std::string table;  // of the [table] that it stands in; empty before the first
  std::string key;
  std::vector<std::string> values;  // one, or an array's
  int line = 0;                     // from 1
};

// Reads strings of every kind, decimal numbers, booleans and arrays of these, under bare and quoted
// keys and [tables] (TOML 1.0). Throws Error, with `name` and the line, for what is not TOML and
// for what a flag cannot be: dates, inline tables, arrays of tables, dotted keys.
std::vector<TomlEntry> read_toml(std::string_view text, const std::string& name);

}  // namespace eet
