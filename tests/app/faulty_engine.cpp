// In place of app/engine_factory.cpp: the program with engines whose devices fail when a test says
// so.
//
// EET_TEST_FAULTS=START:ENGINE:STEP,... In the program's start START (0: by the user), the device
// of engine ENGINE fails in its step STEP: on a GPU by a stray write, on the CPU by pretence. STEP
// "open": it cannot be opened. EET_TEST_DO is a shell command that runs before a failure of start
// 0. EET_TEST_LOG is a file to which each start writes a line: its process id, its open files and,
// where it ends well, the steps of engine 0.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "app/engine_factory.h"
#include "app/job/restart.h"
#include "lib/core/error.h"
#include "lib/device.h"
#include "lib/engine.h"
#include "lib/ops/ops.h"

namespace eet {
namespace {

constexpr int64_t kNever = -1;
constexpr int64_t kCannotOpen = -2;

std::string variable(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? "" : text;
}

// The step in which engine `index` of this start fails.
int64_t failing_step(size_t index) {
  const std::string prefix = concat(restarts_before().size(), ':', index, ':');
  std::istringstream faults(variable("EET_TEST_FAULTS"));
  for (std::string fault; std::getline(faults, fault, ',');) {
    if (!fault.starts_with(prefix)) continue;
    const std::string step = fault.substr(prefix.size());
    return step == "open" ? kCannotOpen : std::stoll(step);
  }
  return kNever;
}

void log(const std::string& text) {
  const std::string path = variable("EET_TEST_LOG");
  if (!path.empty()) std::ofstream(path, std::ios::app) << text;
}

// Writes where there is no memory: every later call to a device fails.
void break_gpu(const std::string& name) {
  const OpenDevice device(name, 1);
  const Buffer memory = allocate(device.context(), sizeof(float), "a number");
  constexpr int64_t kFar = int64_t{1} << 44;
  ops::fill_normal(device.context(), TensorView(memory.as<float>() + kFar, DType::kF32, {1024}),
                   0.0F, 1.0F, 1);
}

class FaultyEngine : public Engine {
 public:
  FaultyEngine(const ModelConfig& config, const TensorLoader& loader, const EngineOptions& options,
               size_t index)
      : Engine(config, loader, options), index_(index), step_(failing_step(index)) {}
  ~FaultyEngine() override {
    if (index_ == 0) log(concat(" steps ", steps_));
  }
  FaultyEngine(const FaultyEngine&) = delete;
  FaultyEngine& operator=(const FaultyEngine&) = delete;

  std::span<const TokenOutput> step() override {
    if (steps_++ == step_) fail();
    return Engine::step();
  }

 private:
  void fail() const {
    const std::string command = variable("EET_TEST_DO");
    if (!command.empty() && restarts_before().empty()) {
      require(std::system(command.c_str()) == 0, command, ": failed");
    }
    const std::string name = reports().front().name;
    if (name == "cpu") throw DeviceFault(concat("cpu ", index_, " failed: a test wants it"));
    break_gpu(name);
  }

  const size_t index_;
  const int64_t step_;
  int64_t steps_ = 0;
};

void log_start() {
  std::string files;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    files += " " + std::filesystem::read_symlink(entry.path(), ignored).string();
  }
  log(concat("\npid ", ::getpid(), files));
  // As libraries do it: it must not stay open when the program starts again.
  [[maybe_unused]] const int leaked = ::open("/dev/zero", O_RDONLY);
}

}  // namespace

std::unique_ptr<Generator> make_engine(const ModelConfig& config, const TensorLoader& loader,
                                       const EngineOptions& options, size_t index) {
  if (index == 0) log_start();
  require(failing_step(index) != kCannotOpen, "cannot be opened");
  return std::make_unique<FaultyEngine>(config, loader, options, index);
}

}  // namespace eet
