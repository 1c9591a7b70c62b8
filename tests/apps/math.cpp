// --math: which tiles it allows, and gadolin verify --nets, which holds nets to the bound.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "layers/winograd.h"
#include "tests/apps/in_process.h"
#include "tests/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

TEST(Math, AllowsTiles) {
  const detail::LargestTile restored(detail::largest_tile());
  for (const auto& [math, tile] : {std::pair{"exact", 0}, {"fast", 4}, {"default", 4}}) {
    ASSERT_EQ(run_here({"models", "--quiet", "--math", math}).code, 0);
    EXPECT_EQ(detail::largest_tile(), tile) << math;
  }
}

TEST(Math, NetsKeepToTheBound) {
  const detail::LargestTile restored(detail::largest_tile());
  const Outcome run = run_here({"verify", "--nets", "resnet18,densenet121,googlenet,retinanet_resnet18_fpn",
                                "--input", "3x64x64", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto nets = events(run, "math");
  ASSERT_EQ(nets.size(), 4u);
  for (const auto& net : nets) {
    const auto& errors = net["errors"];
    EXPECT_EQ(errors["0"] == errors["4"], detail::winograd_lanes() == 0) << net;
    for (const char* tile : {"0", "2", "4"}) {
      EXPECT_GT(errors[tile].get<double>(), 0) << net;
      EXPECT_LE(errors[tile].get<double>(), 1e-5) << net;
    }
  }
  EXPECT_EQ(done(run)["metrics"]["failed"], 0);
}

TEST(Math, WhatCannotBeHeldIsSaid) {
  const Scratch dir;
  const detail::LargestTile restored(detail::largest_tile());
  const Mistake mistakes[] = {
      {{"models", "--math", "quick"},
       2,
       "--math quick is unknown; use exact, default or fast [GD-USAGE-001]"},
      {{"verify"},
       2,
       "verify: nothing to check; give fixture files, or --nets with names or all [GD-USAGE-001]"},
      {{"verify", "--nets", "resnet18", "--input", "3x32x32", "--math", "fast", "--within", "1e-12"},
       5,
       "verify: 1 of 1 nets are further from fp64 than 1e-12 of the largest result with --math fast; "
       "use --math exact, or a larger --within [GD-NUMERIC-010]"}};
  for (const Mistake& m : mistakes) {
    const Outcome run = run_here(m.args);
    EXPECT_EQ(last_line(run, dir.path()), m.want);
    EXPECT_EQ(run.code, m.code);
  }
}

}  // namespace
