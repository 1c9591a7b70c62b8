// The plan database: round trip, joining with other writers, and files that are damaged or hostile.
#include "io/plan_database.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tensor/check.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

const std::string identity = "cudnn 9.19.0 NVIDIA H200 132 SMs";

class PlanDatabaseTest : public testing::Test {
 protected:
  test::Scratch folder_;
  std::string path_ = folder_ / "deeper/x.plans";
};

std::string why(const std::string& text) {
  try {
    parse_plans(text, identity);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "accepted";
}

TEST_F(PlanDatabaseTest, KeepsChoicesBetweenProcesses) {
  PlanDatabase first(path_, identity);
  EXPECT_EQ(first.find("a"), nullptr);
  EXPECT_TRUE(first.put("a", {7, {{1, 2}, {27, 4}}, 4096, 12.5}));
  EXPECT_TRUE(first.put("b", {0, {}, 0, 3}));
  const PlanDatabase second(path_, identity);
  ASSERT_NE(second.find("a"), nullptr);
  EXPECT_EQ(second.find("a")->engine, 7);
  EXPECT_EQ(second.find("a")->knobs, (std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 2}, {27, 4}}));
  EXPECT_EQ(second.find("a")->workspace, 4096);
  EXPECT_EQ(second.find("a")->microseconds, 12.5);
  ASSERT_NE(second.find("b"), nullptr);
  EXPECT_TRUE(second.find("b")->knobs.empty());
}

TEST_F(PlanDatabaseTest, JoinsWithOtherWriters) {
  PlanDatabase one(path_, identity), two(path_, identity);
  one.put("a", {1, {}, 0, 1});
  two.put("b", {2, {}, 0, 1});
  const PlanDatabase all(path_, identity);
  EXPECT_NE(all.find("a"), nullptr);
  EXPECT_NE(all.find("b"), nullptr);
}

TEST_F(PlanDatabaseTest, AnotherLibraryVersionStartsAfresh) {
  PlanDatabase(path_, identity).put("a", {1, {}, 0, 1});
  EXPECT_EQ(PlanDatabase(path_, "cudnn 9.20.0 NVIDIA H200 132 SMs").find("a"), nullptr);
}

TEST_F(PlanDatabaseTest, DamagedFileIsReplaced) {
  PlanDatabase(path_, identity).put("a", {1, {}, 0, 1});
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 3);
  PlanDatabase again(path_, identity);
  EXPECT_EQ(again.find("a"), nullptr);
  EXPECT_TRUE(again.put("c", {1, {}, 0, 1}));
  EXPECT_NE(PlanDatabase(path_, identity).find("c"), nullptr);
}

TEST_F(PlanDatabaseTest, UnwritablePlaceKeepsTheChoiceInMemory) {
  PlanDatabase database("/proc/no/such/place.plans", identity);
  EXPECT_FALSE(database.put("a", {1, {}, 0, 1}));
  EXPECT_NE(database.find("a"), nullptr);
}

TEST(PlanText, RefusesWhatItDidNotWrite) {
  const std::string head = "gadolin-plans 2 " + identity + "\n";
  EXPECT_EQ(why(head + "p 1 1:2,3:4 64 5.5\n"), "accepted");
  EXPECT_EQ(why(""), "plans: the first line is not 'gadolin-plans 2 ...'");
  EXPECT_EQ(why("gadolin-plans 2 other\n"), "plans: written for 'other', this is '" + identity + "'");
  EXPECT_EQ(why(head + "p 1 - 0 5"), "plans: line 2 is cut off");
  EXPECT_EQ(why(head + "p x - 0 5\n"), "plans: line 2 has 'x' where a number was expected");
  EXPECT_EQ(why(head + "p 1 1:,2:3 0 5\n"), "plans: line 2 has '' where a number was expected");
  EXPECT_EQ(why(head + "p 1 - 0 -5\n"), "plans: line 2 has '-5' where a number was expected");
  EXPECT_EQ(why(head + "p 1 - 0 nan\n"), "plans: line 2 has 'nan' where a number was expected");
  EXPECT_EQ(why(head + "p 99999999999999999999 - 0 5\n"),
            "plans: line 2 has '99999999999999999999' where a number was expected");
  EXPECT_EQ(why(head + "p 1 - 5\n"), "plans: line 2 has '' where a number was expected");
  EXPECT_EQ(why(head + "p 1 - -1 5\n"), "plans: line 2 has '-1' where a number was expected");
  EXPECT_EQ(why("gadolin-plans 1 " + identity + "\np 1 1:2,3:4 5.5\n"),
            "plans: the first line is not 'gadolin-plans 2 ...'");
  EXPECT_EQ(why(head + " 1 - 0 5\n"), "plans: line 2 names no problem");
  std::string knobs;
  for (int i = 0; i < 65; ++i) knobs += "1:2,";
  EXPECT_EQ(why(head + "p 1 " + knobs + " 0 5\n"), "plans: line 2 has more than 64 knobs");
  PlanChoices many;
  for (int i = 0; i <= 100000; ++i) many[std::to_string(i)] = {1, {}, 0, 1};
  EXPECT_EQ(why(format_plans(identity, many)), "plans: more than 100000 problems");
}

TEST(PlanText, PathComesFromTheEnvironment) {
  setenv("GADOLIN_CACHE_DIR", "/somewhere", 1);
  EXPECT_EQ(plan_database_path("cudnn 9.19"), "/somewhere/cudnn-9-19.plans");
  unsetenv("GADOLIN_CACHE_DIR");
}

}  // namespace
}  // namespace gadolin
