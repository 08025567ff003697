// Loading cuBLASLt at run time; needs no GPU.
#include "lib/cuda/cublas_lt_library.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lib/core/error.h"

namespace eet {
namespace {

std::string error_of(const std::vector<std::string>& candidates) {
  try {
    load_cublas_lt(candidates);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("a cuBLASLt that is nowhere is an error that says what was tried and what to do") {
  const std::string error = error_of({"libeet-none.so.1", "/nowhere/libeet-none.so.1"});
  CHECK(error.find("libeet-none.so.1: cannot open shared object file") != std::string::npos);
  CHECK(error.find("/nowhere/libeet-none.so.1") != std::string::npos);
  CHECK(error.find("LD_LIBRARY_PATH") != std::string::npos);
  CHECK(error.find("--device cpu") != std::string::npos);
}

TEST_CASE("a library without cuBLASLt's functions is an error that names the first of them") {
  const std::string error = error_of({"libm.so.6"});
  CHECK(error.starts_with("libm.so.6: expected a cuBLASLt of CUDA "));
  CHECK(error.find("got one without cublasLtGetVersion") != std::string::npos);
}

TEST_CASE("the cuBLASLt of the toolkit that eet was built with has every function") {
  const CublasLtLibrary& library = cublas_lt();
  CHECK(library.version() / 10000 == CUBLAS_VER_MAJOR);
  CHECK(std::string(library.status_name(CUBLAS_STATUS_SUCCESS)) == "CUBLAS_STATUS_SUCCESS");
}

}  // namespace
}  // namespace eet
