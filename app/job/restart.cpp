#include "app/job/restart.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "lib/core/error.h"

namespace eet {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<int> inherited_files;

std::vector<int> open_files() {
  std::vector<int> files;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd", ignored)) {
    const std::string name = entry.path().filename().string();
    int file = -1;
    if (std::from_chars(name.data(), name.data() + name.size(), file).ec == std::errc()) {
      files.push_back(file);
    }
  }
  // Not the one by which they were listed.
  std::erase_if(files, [](int file) { return ::fcntl(file, F_GETFD) < 0; });
  return files;
}

// Libraries open files of their own, and a GPU's memory is held as long as its files are.
void close_own_files_on_exec() {
  for (const int file : open_files()) {
    if (std::ranges::find(inherited_files, file) != inherited_files.end()) continue;
    const int flags = ::fcntl(file, F_GETFD);
    if (flags >= 0) ::fcntl(file, F_SETFD, flags | FD_CLOEXEC);
  }
}

// The program's name, which tools show, unless another file has it by now.
std::string program_path() {
  const std::string running = "/proc/self/exe";
  std::error_code error;
  const fs::path named = fs::read_symlink(running, error);
  return !error && fs::equivalent(named, running, error) ? named.string() : running;
}

// The words that this process was started with, its interpreter's included.
std::vector<std::string> command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\0', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

std::string to_variable(const std::vector<Restart>& restarts) {
  const json value = {{"pid", ::getpid()}, {"restarts", to_json(restarts)}};
  return concat(kRestartsVariable, "=",
                value.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace));
}

// As execve() takes them.
std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

nlohmann::ordered_json to_json(std::span<const Restart> restarts) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Restart& restart : restarts) {
    list.push_back(
        {{"reason", restart.reason}, {"rows", restart.rows}, {"seconds", restart.seconds}});
  }
  return list;
}

std::vector<Restart> restarts_before() {
  const char* const text = std::getenv(kRestartsVariable);
  if (text == nullptr) return {};
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  try {
    if (value.at("pid") != ::getpid()) return {};
    std::vector<Restart> restarts;
    for (const json& restart : value.at("restarts")) {
      restarts.push_back({restart.at("reason"), restart.at("rows"), restart.at("seconds")});
    }
    return restarts;
  } catch (const json::exception&) {
    return {};  // not ours
  }
}

void note_inherited_files() {
  inherited_files = open_files();
}

std::string start_again(const std::vector<Restart>& restarts) {
  std::vector<std::string> words = command_line();
  if (words.empty()) return "cannot start again: /proc/self/cmdline cannot be read";
  std::vector<std::string> variables;
  const std::string prefix = concat(kRestartsVariable, "=");
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with(prefix)) variables.emplace_back(*variable);
  }
  variables.push_back(to_variable(restarts));
  const std::string program = program_path();
  const std::vector<char*> argv = pointers_to(words);
  const std::vector<char*> envp = pointers_to(variables);
  close_own_files_on_exec();
  ::execve(program.c_str(), argv.data(), envp.data());
  return concat("cannot start ", program, " again: ", std::strerror(errno));
}

}  // namespace eet
