// docs/pipeline.md: its file and its commands.
#include <gtest/gtest.h>

#include "tests/apps/page.h"
#include "tests/apps/program.h"

namespace gadolin::test {
namespace {

TEST(PipelineDocument, EveryBlockRuns) {
  const auto blocks = blocks_of("pipeline.md");
  ASSERT_EQ(blocks.size(), 2u);
  ASSERT_EQ(blocks[0].kind, "toml");
  const Scratch dir;
  dir.write("films.toml", blocks[0].text);
  ASSERT_EQ(shell(dir, blocks[1].text), "");
  const std::string said = contents_of(dir / "said.txt");
  for (const char* part :
       {"archive  would run  has not run", "[1/3] archive: has not run", "3 of 3 steps ran",
        "0 of 3 steps ran", "[1/3] archive: option patients: 60 -> 80"})
    EXPECT_NE(said.find(part), std::string::npos) << part << " is not in\n" << said;
}

}  // namespace
}  // namespace gadolin::test
