// Models in the local cache of the Hugging Face hub. Nothing is ever fetched.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace eet {

// Where the hub's libraries keep models: $HF_HUB_CACHE, else $HF_HOME/hub, else
// $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. Empty where none is known.
std::filesystem::path hub_cache();

// The snapshot of `name` in `cache`: "org/model", "model", either with "@revision" (a branch, a tag
// or a whole commit; main without). Nothing where `name` cannot be a model's, or the cache does not
// have it. Throws Error when a file of the snapshot lies outside of the cache.
std::optional<std::filesystem::path> find_snapshot(const std::filesystem::path& cache,
                                                   const std::string& name);

// What -m names: `name` itself where that exists, else the snapshot of that name in the hub's
// cache. Throws Error, which tells of both, where there is neither.
std::string locate_model(const std::string& name);

}  // namespace eet
