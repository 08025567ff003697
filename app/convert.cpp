#include "app/convert.h"

#include <unistd.h>

#include <CLI/Error.hpp>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string_view>

#include "app/config_options.h"
#include "app/exit_code.h"
#include "app/hub_cache.h"
#include "app/job/interrupt.h"
#include "app/job/text/model_tokenizer.h"
#include "lib/core/error.h"
#include "tokenizer/tokenizer.h"
#include "weights_tools/converter.h"

namespace eet {
namespace {

struct ConvertCommand {
  std::string source;
  std::string destination;
  std::string dtype = "auto";
  ConfigPolicy config_policy;
  bool force = false;
};

// The disk may take longer to write what it has than anybody wants to wait after a signal. What is
// left then is removed by the next conversion to this destination.
[[noreturn]] void end_at_once() {
  constexpr std::string_view kMessage = "eet: interrupted; the model was not converted\n";
  [[maybe_unused]] const ssize_t wrote = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  ::_exit(kExitSignal + Interrupt::signal());
}

std::optional<DType> parse_dtype_flag(const std::string& text) {
  if (text == "auto") return std::nullopt;
  const std::optional<DType> dtype = parse_dtype(text);
  if (!dtype)
    throw CLI::ValidationError("--dtype", "expected auto, fp32, fp16 or bf16, got " + text);
  return dtype;
}

int run(const ConvertCommand& command) {
  ConvertOptions options;
  options.dtype = parse_dtype_flag(command.dtype);
  options.force = command.force;
  options.source = command.source;
  options.interrupted = [] { return Interrupt::signal() != 0; };
  // A file that grows past the limit is a failed write with a message instead of a signal.
  std::signal(SIGXFSZ, SIG_IGN);
  const Interrupt interrupt([] {}, end_at_once);
  const Checkpoint checkpoint =
      open_checkpoint(locate_model(command.source), command.config_policy);
  for (const std::string& warning : checkpoint.warnings) {
    std::cerr << "eet: warning: " << warning << '\n';
  }
  const std::filesystem::path& tokenizer = checkpoint.tokenizer_directory;
  if (!has_tokenizer(tokenizer)) {
    std::cerr << "eet: warning: " << tokenizer.string()
              << ": no tokenizer files to copy; the converted model will take token ids only\n";
  } else if (checkpoint.format.starts_with("GGUF")) {
    options.new_files = gguf_tokenizer_files(tokenizer);
  } else {
    options.tokenizer_files = tokenizer_files(tokenizer);
  }
  // The defaults of rows, which stay with the model.
  const auto generation_config = checkpoint.tokenizer_directory / "generation_config.json";
  if (std::filesystem::is_regular_file(generation_config)) {
    options.tokenizer_files.push_back(generation_config);
  }
  try {
    convert(checkpoint, command.destination, options);
  } catch (const Error&) {
    if (Interrupt::signal() == 0) throw;
    std::cerr << "eet: interrupted; nothing was written\n";
    return kExitSignal + Interrupt::signal();
  }
  std::cerr << "eet: converted " << command.source << " (" << checkpoint.format << ", "
            << parameter_count(checkpoint.config) << " parameters) to " << command.destination
            << " in " << dtype_name(options.dtype.value_or(checkpoint.config.dtype)) << '\n';
  return kExitOk;
}

}  // namespace

void add_convert_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<ConvertCommand>();
  CLI::App* sub = app.add_subcommand(
      "convert", "Write a model in the form that loads by mmap without transformation");
  sub->add_option("source", command->source, "Model, as `eet generate -m` takes it")->required();
  sub->add_option("destination", command->destination, "Directory to write; must not exist")
      ->required();
  sub->add_option("--dtype", command->dtype,
                  "fp32, fp16 or bf16: the type of every weight; auto keeps the checkpoint's")
      ->capture_default_str();
  add_config_options(*sub, command->config_policy);
  sub->add_flag("--force", command->force,
                "Replace a destination that eet convert wrote, once the new one is complete");
  sub->callback([command, &exit_code] { exit_code = run(*command); });
}

}  // namespace eet
