// docs/hemorrhage.md and examples/hemorrhage/rsna.toml, from a made-up archive to the submission.
#include "tests/apps/page.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/apps/program.h"

namespace gadolin::test {
namespace {

TEST(HemorrhagePage, EveryBlockAndThePipelineRun) {
  const Scratch dir;
  dir.write("rsna.toml", contents_of(in_repository("examples/hemorrhage/rsna.toml")));
  EXPECT_EQ(run_page(dir, "hemorrhage.md",
                     {"hemorrhage img-extract", "hemorrhage create-metadata", "hemorrhage process-labels",
                      "hemorrhage create-tf-records", "hemorrhage train", "hemorrhage extract-features",
                      "hemorrhage train-lstm", "hemorrhage predict", "pipeline run"},
                     {{"--patients 60 --slices 16 --size 96", "--patients 16 --slices 8 --size 48"},
                      {"--folds 3", "--folds 2"},
                      {"width=16 --size 64 --num_epochs 8", "width=8 --size 32 --num_epochs 1"},
                      {"--cell_size 64 --num_epochs 30", "--cell_size 8 --num_epochs 2"},
                      {"width=16\" --set input=64 --set folds=2 --set epochs=4",
                       "width=8\" --set input=32 --set folds=2 --set epochs=1"},
                      {"cells=64 --set series-epochs=20", "cells=8 --set series-epochs=2"}}),
            "");
  const std::string said = contents_of(dir / "said.txt");
  for (const char* part : {"pictures       would run  has not run", "9 of 9 steps ran"})
    EXPECT_NE(said.find(part), std::string::npos) << part << " is not in\n" << said;
  const auto rows = [&](const char* file) {
    const std::string text = contents_of(dir / file);
    return std::count(text.begin(), text.end(), '\n');
  };
  // The sample submission names every file of the test; so does the table of the metadata.
  EXPECT_EQ((rows("output.csv") - 1) % 6, 0);
  EXPECT_EQ(rows("output.csv") - 1, 6 * (rows("ct/test_metadata.csv") - 1));
  EXPECT_EQ(rows("blend.csv"), rows("output.csv"));
}

}  // namespace
}  // namespace gadolin::test
