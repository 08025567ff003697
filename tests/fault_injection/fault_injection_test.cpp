// A whole job in which the N-th operation on its files, or the N-th allocation, fails, for N from 1
// until nothing is left to fail. Whatever failed, the job ends with a message; its output is that
// of an undisturbed run or not there; and the same command with --resume completes it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/hostile/small_job.h"

namespace eet {
namespace {

struct FaultyJob : SmallJob {
  FaultyJob() {
    std::string rows;
    for (int row = 0; row < 5; ++row) {
      rows += R"({"prompt":"Once upon a time","max_tokens":)" + std::to_string(2 + row) + "}\n";
    }
    dir.write("in.jsonl", rows);
  }

  int run_with_fault(const std::string& kind, const std::string& how, long n) const {
    const std::string script =
        "EET_FAULT_KIND=" + kind + " EET_FAULT_HOW=" + how + " EET_FAULT_N=" + std::to_string(n) +
        " EET_FAULT_DIR=" + dir.file("") + " EET_FAULT_COUNT=" + dir.file("count") +
        " LD_PRELOAD=" EET_FAULT_SHIM " " + command({"--resume"}) + " >/dev/null 2>" +
        dir.file("err");
    const int status = std::system(script.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
};

struct Totals {
  long faults = 0;
  long errors = 0;  // of them that ended the run
};

// Injects the N-th fault for every `step`-th N from `first` on. A run in which fewer operations
// happen is the last; returns how many.
long inject(const std::string& kind, const std::string& how, const std::string& expected,
            Totals& totals, long step = 1, long first = 1) {
  CAPTURE(kind);
  CAPTURE(how);
  for (long n = first;; n += step) {
    CAPTURE(n);
    REQUIRE(n < 100'000);  // some run must end well
    const FaultyJob job;
    const int code = job.run_with_fault(kind, how, n);
    const std::string err = read_text(job.dir.file("err"));
    CAPTURE(err);
    REQUIRE((code == 0 || code == 1 || code == 3));
    if (code == 1) {
      CHECK(err.starts_with("eet: "));
      CHECK(err.find("Success") == std::string::npos);
      ++totals.errors;
    }
    const std::string output = read_text(job.output);
    const bool is_complete = output == expected;
    // A row may have an error of its own: that memory was missing for it.
    CHECK((is_complete || output.empty() || (code == 3 && kind == "allocate")));
    if (code == 0) CHECK(is_complete);
    if (!is_complete) {
      const EetResult resumed = job.run({"--resume", "--retry-errors"});
      CAPTURE(resumed.err);
      CHECK(resumed.exit_code == 0);
      CHECK(read_text(job.output) == expected);
    }
    const long count = std::atol(read_text(job.dir.file("count")).c_str());
    if (count < n && code == 0) return count;
    ++totals.faults;
  }
}

std::string undisturbed() {
  const FaultyJob job;
  REQUIRE(job.run().exit_code == 0);
  return read_text(job.output);
}

void report(const Totals& totals) {
  CHECK(totals.errors > 0);
  MESSAGE(totals.faults << " faults, of which " << totals.errors << " ended the run");
}

TEST_CASE("a job survives the failure of any one operation on its files") {
  const std::string expected = undisturbed();
  Totals totals;
  const auto fail = [&](const char* kind, int reason) {
    inject(kind, std::to_string(reason), expected, totals);
  };
  fail("open", EACCES);
  fail("open", EMFILE);
  fail("read", EIO);
  fail("write", ENOSPC);
  fail("write", EIO);
  fail("sync", EIO);
  fail("rename", EACCES);
  fail("link", EIO);
  fail("truncate", EIO);
  fail("stat", EIO);
  report(totals);
}

TEST_CASE("a job does not notice operations that are short, interrupted or slow") {
  const std::string expected = undisturbed();
  Totals totals;
  for (const char* kind : {"read", "write"}) {
    for (const char* how : {"short", "eintr"}) inject(kind, how, expected, totals);
  }
  inject("poll", "eintr", expected, totals);
  for (const char* kind : {"open", "read", "write", "sync", "rename"}) {
    inject(kind, "slow", expected, totals, 5);
  }
  CHECK(totals.errors == 0);
  MESSAGE(totals.faults << " faults");
}

TEST_CASE("a job does not notice that the clock jumps") {
  const std::string expected = undisturbed();
  Totals totals;
  // An hour and fifty years back, a day and a thousand years on.
  for (const char* seconds : {"-3600", "-1577880000", "86400", "31557600000"}) {
    inject("clock", seconds, expected, totals, 3);
  }
  CHECK(totals.errors == 0);
  MESSAGE(totals.faults << " faults");
}

TEST_CASE("a job survives the failure of an allocation") {
  const std::string expected = undisturbed();
  Totals totals;
  const char* const step = std::getenv("EET_FAULT_STEP");  // 1: all, which takes an hour
  const std::string reason = std::to_string(ENOMEM);
  const long count =
      inject("allocate", reason, expected, totals, step != nullptr ? std::atol(step) : 211);
  // The last ones, among them those of the destructors of a tokenizer's JSON, which cannot throw.
  constexpr long kLast = 60;
  inject("allocate", reason, expected, totals, 1, std::max(1L, count - kLast));
  report(totals);
}

}  // namespace
}  // namespace eet
