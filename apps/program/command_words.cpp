#include "apps/program/command_words.h"

#include <algorithm>

#include "io/text.h"

namespace gadolin {
namespace {

const CLI::App* named_in(const CLI::App& group, const std::string& word) {
  for (const CLI::App* app : group.get_subcommands({}))
    if (app->get_name() == word) return app;
  return nullptr;
}

// `gadolin help data split`
bool asks_help(int argc, char** argv) { return argc > 1 && std::string_view(argv[1]) == "help"; }

}  // namespace

std::string dashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string CommandWords::path() const {
  std::string path;
  for (const CLI::App* a = app; a->get_parent() != nullptr; a = a->get_parent())
    path = a->get_name() + (path.empty() ? "" : " ") + path;
  return path;
}

CommandWords command_words(const CLI::App& program, int argc, char** argv) {
  CommandWords words{&program, {}};
  for (int i = asks_help(argc, argv) ? 2 : 1; i < argc && words.app->get_require_subcommand_min() > 0; ++i) {
    const std::string word = dashes(argv[i]);
    if (word.starts_with('-')) {
      const CLI::Option* option = program.get_option_no_throw(word.substr(0, word.find('=')));
      if (option == nullptr) break;  // nobody knows whether a value follows
      if (option->get_items_expected_max() > 0 && word.find('=') == std::string::npos) ++i;
      continue;
    }
    const CLI::App* next = named_in(*words.app, word);
    if (next == nullptr) {
      words.unknown = i;
      break;
    }
    words.at.push_back(i);
    words.app = next;
  }
  return words;
}

std::vector<std::string> normalised(const CLI::App& program, int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  for (std::string& arg : args) {
    const std::size_t equals = std::min(arg.find('='), arg.size());
    if (arg.starts_with("--")) arg = dashes(arg.substr(0, equals)) + arg.substr(equals);
  }
  for (const int at : command_words(program, argc, argv).at) {
    std::string& word = args[static_cast<std::size_t>(at - 1)];
    word = dashes(word);
  }
  if (asks_help(argc, argv)) {
    args.erase(args.begin());
    args.push_back("--help");
  }
  return args;
}

void name_command(const CLI::App& program, int argc, char** argv, std::string& message, std::string& hint) {
  const CommandWords words = command_words(program, argc, argv);
  if (words.app->get_require_subcommand_min() == 0) return;
  const std::string path = words.path(), help = "run gadolin " + path + (path.empty() ? "" : " ") + "--help";
  if (words.unknown == 0) {
    if (hint == "run gadolin --help") hint = help;
    return;
  }
  std::vector<std::string> names;
  for (const CLI::App* app : words.app->get_subcommands({})) names.push_back(app->get_name());
  const std::string word = argv[words.unknown], near = nearest(dashes(word), names);
  message = "unknown command " + path + (path.empty() ? "" : " ") + word;
  hint = near.empty() ? help : "did you mean " + near + "?";
}

}  // namespace gadolin
