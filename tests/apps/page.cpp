#include "tests/apps/page.h"

#include <cstdlib>
#include <regex>
#include <sstream>

#include "tests/apps/program.h"

namespace gadolin::test {

std::vector<PageBlock> blocks_of(const std::string& name) {
  std::istringstream lines(contents_of(in_repository("docs/" + name)));
  std::vector<PageBlock> blocks;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) {
      inside = !inside;
      if (inside) blocks.push_back({line.substr(3), ""});
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
  }
  return blocks;
}

std::string shell(const Scratch& dir, const std::string& script) {
  const std::string text =
      "set -eu\ncd '" + dir.path() +
      "'\nexport OMP_WAIT_POLICY=passive\ngadolin() { '" GADOLIN_PROGRAM "' \"$@\"; }\n" + script;
  const int code =
      std::system(("sh '" + dir.write("script.sh", text) + "' > '" + dir / "said.txt" + "' 2>&1").c_str());
  return code == 0 ? "" : "exit status " + std::to_string(code) + "\n" + contents_of(dir / "said.txt");
}

std::string run_page(const Scratch& dir, const std::string& name, const std::vector<std::string>& commands,
                     const std::vector<std::pair<std::string, std::string>>& smaller) {
  std::string script;
  for (const PageBlock& block : blocks_of(name)) script += block.text;
  for (const std::string& command : commands)
    if (script.find("gadolin " + command) == std::string::npos)
      return "docs/" + name + " does not show gadolin " + command;
  for (const auto& [pattern, text] : smaller) {
    const std::regex expression(pattern);
    if (!std::regex_search(script, expression)) return "docs/" + name + " has no " + pattern;
    script = std::regex_replace(script, expression, text);
  }
  return shell(dir, script);
}

}  // namespace gadolin::test
