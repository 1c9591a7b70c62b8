// docs/complaints.md names tests; each of them is there.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace gadolin::layering {
namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Complaints, EachNamedTestIsThere) {
  const std::filesystem::path root = GADOLIN_SOURCE_DIR;
  std::set<std::string> known;
  const std::regex test(R"(\nTEST(?:_F|_P)?\((\w+),\s*(\w+)\))");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "tests")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = text_of(entry.path());
    for (std::sregex_iterator at(text.begin(), text.end(), test), end; at != end; ++at)
      known.insert((*at)[1].str() + "." + (*at)[2].str());
  }
  const std::string page = text_of(root / "docs/complaints.md");
  const std::regex named(R"(`([A-Z]\w+\.[A-Z]?\w*\*?)`)");
  std::size_t count = 0;
  for (std::sregex_iterator at(page.begin(), page.end(), named), end; at != end; ++at, ++count) {
    std::string name = (*at)[1].str();
    const bool many = name.back() == '*';
    if (many) name.pop_back();
    const auto found = known.lower_bound(name);
    EXPECT_TRUE(found != known.end() && (many ? found->starts_with(name) : *found == name)) << name;
  }
  EXPECT_GT(count, 30u);
}

}  // namespace
}  // namespace gadolin::layering
