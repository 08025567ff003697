#include "app/shell_files.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "app/cli/completions.h"
#include "app/cli/man_page.h"

namespace eet {

void add_completion_command(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print the completion script of a shell");
  command->add_option("shell", *shell, "The shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("bash|zsh|fish");
  command->footer("For the shell that runs now:\n  source <(eet completion bash)");
  command->callback([&app, shell] {
    if (*shell == "bash") std::cout << bash_completion(app);
    if (*shell == "zsh") std::cout << zsh_completion(app);
    if (*shell == "fish") std::cout << fish_completion(app);
  });
}

void add_man_command(CLI::App& app) {
  const auto page = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("man", "Print a manual page, for `man -l -`");
  command->add_option("command", *page, "Of a command; without: of eet");
  command->callback([&app, page] { std::cout << man_page(app, *page); });
}

}  // namespace eet
