// The page of `gadolin serve`: what its files name is in the program, and it works in a browser (complaint
// F4).
#include "apps/serve/page/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>

#include "tensor/check.h"
#include "tests/apps/program.h"
#include "tests/scratch.h"

namespace gadolin::test {
namespace {

using serve::page_files;

std::vector<std::string> matches(std::string_view text, const char* pattern) {
  const std::string whole(text);
  const std::regex expression(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator at(whole.begin(), whole.end(), expression), end; at != end; ++at)
    found.push_back((*at)[1].str());
  return found;
}

std::string_view page_file(std::string_view path) {
  for (const auto& file : page_files())
    if (file.path == path) return file.text;
  ADD_FAILURE() << path << " is not in the program";
  return {};
}

TEST(ServePage, F4NamesNothingThatIsElsewhere) {
  ASSERT_GE(page_files().size(), 8u);
  EXPECT_EQ(page_files()[0].path, "/");
  std::set<std::string> known{"openapi.json"};
  for (const auto& file : page_files()) known.insert(std::string(file.path.substr(1)));
  const std::string_view index = page_file("/");
  for (const std::string& named : matches(index, R"re((?:src|href)="([^"#][^"]*)")re"))
    EXPECT_TRUE(known.contains(named)) << named;
  for (const auto& [path, type, text] : page_files()) {
    for (const std::string& address : matches(text, R"re((\w*:?//[\w.]+[^"'\s]*))re"))
      EXPECT_TRUE(address.starts_with("http://www.w3.org/"))
          << path << ": " << address;  // names of namespaces
    EXPECT_EQ(text.find("@import"), text.npos) << path;
    EXPECT_EQ(text.find("url("), text.npos) << path;
    EXPECT_EQ(text.find("innerHTML"), text.npos) << path;
    for (const std::string& other : matches(text, R"re(from "\./([^"]+)")re"))
      EXPECT_TRUE(known.contains("page/" + other)) << path << ": " << other;
    EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 250) << path;
  }
}

TEST(ServePage, NothingIsInlineAndEveryPartIsThere) {
  const std::string_view index = page_file("/");
  EXPECT_TRUE(matches(index, R"re(\s(style|on\w+)=)re").empty());
  EXPECT_TRUE(matches(index, R"re(<script([^>]*)>[^<])re").empty());
  EXPECT_NE(index.find("not a medical device"), index.npos);
  const std::vector<std::string> list = matches(index, R"re(\bid="([^"]+)")re");
  const std::set<std::string> ids(list.begin(), list.end());
  EXPECT_EQ(ids.size(), list.size());
  for (const auto& file : page_files())
    for (const std::string& id : matches(file.text, R"re(\bpart\("([^"]+)"\))re"))
      EXPECT_TRUE(ids.contains(id)) << file.path << ": " << id;
  for (const std::string& id : matches(index, R"re(\b(?:for|aria-labelledby|aria-describedby)="([^"]+)")re"))
    EXPECT_TRUE(ids.contains(id)) << id;
  for (const std::string& id : matches(index, R"re(<(?:input|select) id="([^"]+)")re"))
    EXPECT_NE(index.find(" for=\"" + id + "\""), index.npos) << id << " has no label";
}

TEST(ServePage, ThePolicyAllowsNothingInline) {
  const std::string policy = serve::page_policy;
  EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; ")) << policy;
  for (const char* loose : {"unsafe", "*", "http", "data:"})
    EXPECT_EQ(policy.find(loose), policy.npos) << loose;
}

// The first of these programs that is there.
std::string program_found(const std::vector<std::string>& names) {
  for (const std::string& name : names)
    for (const char* folder : {"/usr/bin/", "/usr/local/bin/", "/snap/bin/"})
      if (std::filesystem::exists(folder + name)) return folder + name;
  return "";
}

void trained(const std::vector<std::string>& command) {
  const Outcome run = run_program(command);
  ASSERT_EQ(run.code, 0) << run.err;
}

// Two small nets: several findings with thresholds, and one class.
TEST(ServePage, F4WorksInChromiumWithEveryOtherHostBlocked) {
  const std::string chromium = program_found({"chromium", "chromium-browser", "google-chrome"});
  const std::string node = program_found({"node", "nodejs"});
  if (chromium.empty()) GTEST_SKIP() << "chromium is not installed";
  if (node.empty()) GTEST_SKIP() << "node is not installed";
  const Scratch dir;
  const std::string films = examples("cxr-nih14-small"), findings = dir / "findings",
                    thresholds = dir / "findings.gdck";
  const auto train = [&](const std::string& table, const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> words{"train",       table, "--out",        out, "--batch-size", "16",
                                   "--max-steps", "6",   "--eval-every", "6"};
    words.insert(words.end(), more.begin(), more.end());
    trained(words);
  };
  train(films + "/findings.csv", findings, {"--multi-label", "--width", "8", "--input-size", "64"});
  trained({"eval", findings + "/split.csv", "--allow-outside", "--checkpoint",
           findings + "/checkpoints/last.gdck", "--split", "val", "--out", dir / "val", "--thresholds", "f1",
           "--save", thresholds, "--report-cams", "0", "--resamples", "0"});
  train(films + "/view.csv", dir / "view", {"--width", "8", "--input-size", "64"});
  if (HasFatalFailure()) return;
  const std::string script = in_repository("tests/apps/serve_page/page.mjs"), out = dir / "out.txt";
  const char* pictures = std::getenv("GADOLIN_PAGE_PICTURES");
  const std::string dicom = fixture("dicom/fragments/multi-frame/CT0012.not_fragmented_no_bot_rle.dcm");
  const std::string line =
      cat("'", node, "' '", script, "' '", chromium, "' '", GADOLIN_PROGRAM, "' '", films,
          "/images/00000061_012.jpg' '", dicom, "' '", pictures ? pictures : "", "' findings='", thresholds,
          "' view='", dir / "view/checkpoints/last.gdck", "' > '", out, "' 2>&1");
  EXPECT_EQ(std::system(line.c_str()), 0) << contents_of(out);
}

}  // namespace
}  // namespace gadolin::test
