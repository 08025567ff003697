// For targets that decompress: windows of 2 GiB are allowed, and more than libFuzzer's limits of
// memory by default. Most of such a window is never touched.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

// Called before the flags are read: those of the command line come last and count.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static std::string limits[] = {"-malloc_limit_mb=2304", "-rss_limit_mb=4096"};
  static std::vector<char*> args(*argv, *argv + *argc);
  args.insert(args.begin() + std::min(*argc, 1), {limits[0].data(), limits[1].data()});
  *argc = static_cast<int>(args.size());
  args.push_back(nullptr);
  *argv = args.data();
  return 0;
}
