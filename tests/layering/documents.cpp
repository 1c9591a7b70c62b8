// Files and functions that the documents name are there.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/scratch.h"

namespace gadolin::layering {
namespace {

namespace fs = std::filesystem;

std::string words_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Whether the last part of a name ("Module::adopt" -> adopt) is a word of the text.
bool has_word(const std::string& text, const std::string& name) {
  const std::string word = name.substr(name.rfind(':') == std::string::npos ? 0 : name.rfind(':') + 1);
  const auto part_of_word = [&](std::size_t i) {
    return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) || text[i] == '_');
  };
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    if (!part_of_word(at - 1) && !part_of_word(at + word.size())) return true;
  return false;
}

const std::string file_pattern = "`((?:[a-z_0-9]+/)+[a-z_0-9]+\\.(?:h|cpp|cu|cmake|sh|py|toml))`";

// What a page names and the tree lacks: `tensor/shape.cpp`; `extent` in `layers/conv.cpp`; and in reading
// order `layers/conv.cpp` (`extent`, `conv_sizes`).
std::string missing(const fs::path& root, const std::string& page) {
  const std::string text = words_of(root / page);
  std::string faults;
  const auto each = [&](const std::string& pattern, const auto& f) {
    const std::regex expression(pattern);
    for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at) f(*at);
  };
  const auto check = [&](const std::string& file, const std::string& name) {
    if (fs::exists(root / file) && !has_word(words_of(root / file), name))
      faults += page + ": " + file + " has no " + name + "\n";
  };
  each(file_pattern, [&](const std::smatch& found) {
    if (!fs::exists(root / found[1].str())) faults += page + ": there is no " + found[1].str() + "\n";
  });
  each("`([A-Za-z_:]+)` in\\s+" + file_pattern,
       [&](const std::smatch& found) { check(found[2].str(), found[1].str()); });
  each(file_pattern + "\\s+\\(((?:`[A-Za-z_:]+`(?:,\\s+)?)+)\\)", [&](const std::smatch& found) {
    const std::string names = found[2].str();
    const std::regex name("`([A-Za-z_:]+)`");
    for (std::sregex_iterator at(names.begin(), names.end(), name), end; at != end; ++at)
      check(found[1].str(), (*at)[1].str());
  });
  return faults;
}

std::vector<std::string> pages_for_readers() {
  const fs::path root = GADOLIN_SOURCE_DIR;
  std::vector<std::string> pages{"docs/reading.md", "docs/architecture.md"};
  for (const char* folder : {"docs/tutorial", "course", "course/slides"}) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::directory_iterator(root / folder))
      if (entry.path().extension() == ".md")
        pages.push_back(std::string(folder) + "/" + entry.path().filename().string());
  }
  return pages;
}

TEST(Documents, FilesAndFunctionsThatTheyNameAreThere) {
  const std::vector<std::string> pages = pages_for_readers();
  EXPECT_GE(pages.size(), 10u);
  std::string faults;
  for (const std::string& page : pages) faults += missing(GADOLIN_SOURCE_DIR, page);
  EXPECT_EQ(faults, "");
}

TEST(Documents, SeededWrongNamesAreFound) {
  const test::Scratch tree;
  tree.write("tensor/shape.cpp", "int strides_for(int x) { return broadcast_strides(x); }\n");
  tree.write(
      "page.md",
      "Read `tensor/shape.cpp` (`strides_for`, `strides`, `broadcast_strides`), `tensor/shapes.cpp`, and\n"
      "`Shape::strides_for` in\n`tensor/shape.cpp` and `broadcast` in `tensor/shape.cpp`.\n");
  EXPECT_EQ(missing(tree.path(), "page.md"),
            "page.md: there is no tensor/shapes.cpp\n"
            "page.md: tensor/shape.cpp has no broadcast\n"
            "page.md: tensor/shape.cpp has no strides\n");
}

}  // namespace
}  // namespace gadolin::layering
