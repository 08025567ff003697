// Which CUDA errors end the process. Needs the toolkit's headers and no GPU.
#include "lib/cuda/cuda_faults.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>

#include "kernels/cuda_check.h"
#include "lib/device_fault.h"

using namespace eet;

namespace {

// The codes of cudaError_t with the comment in front of each, as one line.
std::map<int, std::string> documented_codes() {
  std::ifstream file(CUDA_HEADERS "/driver_types.h");
  std::string text(std::istreambuf_iterator<char>(file), {});
  text = text.substr(text.find("enum __device_builtin__ cudaError"));
  text.resize(text.find("};"));
  text = std::regex_replace(text, std::regex("[ *\n]+"), " ");
  std::map<int, std::string> codes;
  const std::regex entry("cudaError[A-Za-z]+ = ([0-9]+)");
  std::sregex_iterator found(text.begin(), text.end(), entry);
  for (; found != std::sregex_iterator(); ++found)
    codes[std::stoi(found->str(1))] = found->prefix();
  return codes;
}

bool is_fault(int code) {
  return is_device_fault(static_cast<cudaError_t>(code));
}

}  // namespace

TEST_CASE("every error of which CUDA says that the process must be relaunched is a device fault") {
  int relaunched = 0;
  for (const auto& entry : documented_codes()) {
    const int code = entry.first;
    const std::string& comment = entry.second;
    CAPTURE(code);
    if (comment.find("process must be terminated and relaunched") == std::string::npos) continue;
    ++relaunched;
    CHECK(is_fault(code));
  }
  CHECK(relaunched >= 10);
}

TEST_CASE("errors that leave the process usable are no device faults") {
  for (const int code :
       {cudaSuccess, cudaErrorInvalidValue, cudaErrorMemoryAllocation,
        cudaErrorInvalidConfiguration, cudaErrorDevicesUnavailable, cudaErrorNotReady,
        cudaErrorLaunchOutOfResources, cudaErrorNotSupported, cudaErrorStreamCaptureInvalidated}) {
    CAPTURE(code);
    CHECK_FALSE(is_fault(code));
  }
}

TEST_CASE("an operation's error says whether it is a device fault") {
  const auto error = [](cudaError_t code) { return CudaError(code, "cudaCall()", "file", 1); };
  CHECK(says_device_fault(error(cudaErrorMisalignedAddress)));
  CHECK_FALSE(says_device_fault(error(cudaErrorInvalidValue)));
  CHECK_FALSE(says_device_fault(Error("cudaErrorMisalignedAddress")));
}
