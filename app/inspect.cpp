#include "app/inspect.h"

#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/config_options.h"
#include "app/exit_code.h"
#include "app/hub_cache.h"
#include "app/job/text/model_tokenizer.h"
#include "weights_tools/checkpoint.h"
#include "weights_tools/eet_config.h"

namespace eet {
namespace {

using Json = nlohmann::ordered_json;

struct InspectCommand {
  std::string model;
  ConfigPolicy config_policy;
  bool json = false;
};

Json describe_tokenizer(const std::filesystem::path& directory) {
  if (!has_tokenizer(directory)) return nullptr;
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(directory);
  Json json = {{"kind", tokenizer->kind()}, {"vocab_size", tokenizer->vocab_size()}};
  json["bos_token_id"] = tokenizer->bos_id() ? Json(*tokenizer->bos_id()) : Json(nullptr);
  json["eos_token_id"] = tokenizer->eos_id() ? Json(*tokenizer->eos_id()) : Json(nullptr);
  return json;
}

Json describe_tensors(const Checkpoint& checkpoint) {
  Json tensors = Json::array();
  for (const CheckpointTensor& tensor : checkpoint.tensors) {
    tensors.push_back({{"name", tensor.spec.name()},
                       {"dtype", dtype_name(tensor.dtype)},
                       {"shape", tensor.spec.shape}});
  }
  return tensors;
}

int64_t weight_bytes(const Checkpoint& checkpoint) {
  int64_t bytes = 0;
  for (const CheckpointTensor& tensor : checkpoint.tensors) {
    bytes += tensor.spec.numel() * static_cast<int64_t>(dtype_size(tensor.dtype));
  }
  return bytes;
}

Json describe(const std::string& model, const Checkpoint& checkpoint) {
  Json config = Json::parse(format_eet_config(checkpoint.config));
  config.erase("format_version");
  Json kv_bytes;
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    kv_bytes[std::string(dtype_name(dtype))] = checkpoint.config.kv_bytes_per_token(dtype);
  }
  return {{"model", model},
          {"format", checkpoint.format},
          {"config", config},
          {"parameters", parameter_count(checkpoint.config)},
          {"active_parameters", active_parameter_count(checkpoint.config)},
          {"weight_bytes", weight_bytes(checkpoint)},
          {"file_bytes", checkpoint.file_bytes},
          {"kv_bytes_per_token", kv_bytes},
          {"tokenizer", describe_tokenizer(checkpoint.tokenizer_directory)},
          {"warnings", checkpoint.warnings},
          {"tensors", describe_tensors(checkpoint)}};
}

void print_line(const std::string& name, const std::string& value) {
  constexpr int kNameWidth = 26;
  std::cout << std::left << std::setw(kNameWidth) << name << value << '\n';
}

// Strings without quotes, everything else as JSON writes it.
std::string plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "none" : value.dump();
}

// One line for the tensors of all layers that have the same type and shape.
void print_tensors(const Json& tensors) {
  std::vector<std::string> order;
  std::map<std::string, int> counts;
  for (const Json& tensor : tensors) {
    std::string name = tensor["name"].get<std::string>();
    if (name.starts_with("layers.")) name.replace(7, name.find('.', 7) - 7, "*");
    const std::string line = name + "  " + plain(tensor["dtype"]) + " " + plain(tensor["shape"]);
    if (++counts[line] == 1) order.push_back(line);
  }
  print_line("tensors", std::to_string(tensors.size()));
  for (const std::string& line : order) {
    std::cout << "  " << line;
    if (counts[line] > 1) std::cout << "  x" << counts[line];
    std::cout << '\n';
  }
}

void print_text(const Json& report) {
  print_line("model", plain(report["model"]));
  print_line("format", plain(report["format"]));
  for (const auto& [key, value] : report["config"].items()) print_line(key, plain(value));
  for (const char* key : {"parameters", "active_parameters", "weight_bytes", "file_bytes"}) {
    print_line(key, plain(report[key]));
  }
  for (const auto& [dtype, bytes] : report["kv_bytes_per_token"].items()) {
    print_line("kv_bytes_per_token " + dtype, plain(bytes));
  }
  const Json& tokenizer = report["tokenizer"];
  print_line("tokenizer", tokenizer.is_null() ? "none" : plain(tokenizer["kind"]));
  if (!tokenizer.is_null()) {
    for (const char* key : {"vocab_size", "bos_token_id", "eos_token_id"}) {
      print_line(std::string("tokenizer ") + key, plain(tokenizer[key]));
    }
  }
  print_tensors(report["tensors"]);
}

int run(const InspectCommand& command) {
  const Json report =
      describe(command.model, open_checkpoint(locate_model(command.model), command.config_policy));
  if (command.json) {
    std::cout << report.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    return kExitOk;
  }
  for (const Json& warning : report["warnings"]) {
    std::cerr << "eet: warning: " << plain(warning) << '\n';
  }
  print_text(report);
  return kExitOk;
}

}  // namespace

void add_inspect_command(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<InspectCommand>();
  CLI::App* sub = app.add_subcommand(
      "inspect", "Print a model's configuration, tensors, tokenizer and sizes in bytes");
  sub->add_option("model", command->model, "Model, as `eet generate -m` takes it")->required();
  add_config_options(*sub, command->config_policy);
  sub->add_flag("--json", command->json, "One JSON object, with every tensor, for programs");
  sub->callback([command, &exit_code] { exit_code = run(*command); });
}

}  // namespace eet
