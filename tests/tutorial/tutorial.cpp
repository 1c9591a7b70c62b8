// Each page of docs/tutorial, and the answers of docs/reading.md, print what they say that they print.
#include "tests/tutorial/pages.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include "tests/scratch.h"

namespace {

// In a folder of its own, beside the examples of the repository.
class Tutorial : public testing::TestWithParam<TutorialPage> {
 protected:
  Tutorial() {
    std::filesystem::create_directory_symlink(GADOLIN_SOURCE_DIR "/examples", scratch_ / "examples");
    std::filesystem::current_path(scratch_.path());
  }
  ~Tutorial() override { std::filesystem::current_path(before_); }

 private:
  const std::filesystem::path before_ = std::filesystem::current_path();
  const gadolin::test::Scratch scratch_;
};

TEST_P(Tutorial, PrintsWhatThePageSays) {
  testing::internal::CaptureStdout();
  GetParam().run();
  std::cout.flush();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), GetParam().printed);
}

INSTANTIATE_TEST_SUITE_P(Pages, Tutorial, testing::ValuesIn(tutorial_pages()), [](const auto& page) {
  std::string name = page.param.name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
});

TEST(Tutorial, HasEightPagesAndTheAnswersOfTheWalk) { EXPECT_EQ(tutorial_pages().size(), 9u); }

}  // namespace
