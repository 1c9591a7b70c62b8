// The page of the device lists the calls that it stands in for, as its headers declare them.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace {

std::string text_of_device(const std::string& file) {
  std::ifstream in(GADOLIN_TEST_DATA "/../device/" + file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::set<std::string> found_in(const std::string& text, const char* pattern) {
  const std::regex name(pattern);
  std::set<std::string> all;
  for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at) all.insert((*at)[1]);
  return all;
}

TEST(DeviceCoverage, ThePageListsTheCallsOfTheHeaders) {
  std::set<std::string> declared;
  for (const char* file :
       {"cuda_runtime_api.h", "cublasLt.h", "cudnn_graph.h", "cudnn_adv.h", "nccl.h", "cuda_runtime.h"}) {
    const std::string text = text_of_device("include/" + std::string(file));
    ASSERT_FALSE(text.empty()) << file;
    declared.merge(found_in(
        text, "\\b((?:cuda|cublasLt|cudnn|nccl)[A-Z]\\w*|__(?:shfl|sync|thread)\\w*|atomic[A-Z]\\w*)\\("));
  }
  const std::string page = text_of_device("README.md");
  const std::size_t begin = page.find("## Calls that are there");
  ASSERT_NE(begin, std::string::npos);
  const std::set<std::string> listed =
      found_in(page.substr(begin, page.find("\n## ", begin + 3) - begin), "`(\\w+)`");
  std::string line;
  for (const std::string& name : declared) line += "`" + name + "` ";
  EXPECT_EQ(declared, listed) << "the list should be: " << line;
}

}  // namespace
