// Learning rates against PyTorch's (tools/fixtures/schedules.py), the texts that are refused, and the state
// of plateau.
#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "tensor/check.h"

using namespace gadolin;
using nlohmann::json;

namespace {

TEST(Schedule, RatesAgreeWithPyTorch) {
  std::ifstream file(std::string(GADOLIN_TEST_DATA) + "/schedules.json");
  const json fixture = json::parse(file);
  ASSERT_GE(fixture["cases"].size(), 15u);
  for (const json& c : fixture["cases"]) {
    const std::string text = c["text"];
    ScheduleOptions options{.lr = fixture["lr"],
                            .min_lr = c.value("min_lr", 0.0),
                            .total_steps = c.value("total", 1),
                            .warmup_steps = c.value("warmup", 0),
                            .maximize = c.value("maximize", false)};
    Schedule schedule(text, options);
    for (std::size_t i = 0; i < c["rates"].size(); ++i) {
      const double wanted = c["rates"][i], found = schedule.lr_at(static_cast<std::int64_t>(i));
      EXPECT_NEAR(found, wanted, 1e-12) << text << " step " << i;
      if (schedule.watches_metric()) schedule.observe(c["metrics"][i]);
    }
  }
}

TEST(Schedule, DurationsAreEpochsOrSteps) {
  const ScheduleOptions options{.lr = 1, .total_steps = 100, .steps_per_epoch = 10};
  const Schedule epochs("step:3:0.5", options), steps("step:3s:0.5", options),
      many("multi_step:2,35s:0.5", options);
  EXPECT_EQ(epochs.lr_at(29), 1);
  EXPECT_EQ(epochs.lr_at(30), 0.5);
  EXPECT_EQ(steps.lr_at(2), 1);
  EXPECT_EQ(steps.lr_at(3), 0.5);
  EXPECT_EQ(many.lr_at(19), 1);
  EXPECT_EQ(many.lr_at(20), 0.5);
  EXPECT_EQ(many.lr_at(35), 0.25);
  EXPECT_EQ(Schedule("exponential:0.5:2", options).lr_at(39), 0.5);
}

TEST(Schedule, StepsPastTheEndStayAtTheEnd) {
  const ScheduleOptions options{.lr = 1, .min_lr = 0.1, .total_steps = 10};
  EXPECT_NEAR(Schedule("cosine", options).lr_at(1000), 0.1, 1e-15);
  EXPECT_NEAR(Schedule("polynomial:2", options).lr_at(1000), 0.1, 1e-15);
  EXPECT_EQ(Schedule("step:1", options).lr_at(1000), 0.1);
  EXPECT_NEAR(Schedule("one-cycle", {.lr = 1, .total_steps = 10}).lr_at(1000), 1.0 / 25 / 1e4, 1e-15);
  for (const char* text : {"one-cycle", "one-cycle:0", "one-cycle:1", "cosine"}) {
    EXPECT_TRUE(std::isfinite(Schedule(text, {.lr = 1, .total_steps = 1}).lr_at(0))) << text;
  }
  EXPECT_EQ(Schedule("cosine", {.lr = 1, .total_steps = 5, .warmup_steps = 5}).lr_at(4), 0.01 + 0.99 * 0.8);
}

TEST(Schedule, APolynomialMaySpanFewerSteps) {
  const ScheduleOptions options{.lr = 0.01, .min_lr = 0.0001, .total_steps = 5000, .steps_per_epoch = 168};
  const Schedule slim("polynomial:1:336s", options), epochs("polynomial:1:2", options);
  EXPECT_NEAR(slim.lr_at(168), 0.0001 + (0.01 - 0.0001) * 0.5, 1e-15);
  EXPECT_EQ(slim.lr_at(168), epochs.lr_at(168));
  EXPECT_EQ(slim.lr_at(336), 0.0001);
  EXPECT_EQ(slim.lr_at(4000), 0.0001);
}

TEST(Schedule, PlateauGoesOnFromItsState) {
  const ScheduleOptions options{.lr = 1, .maximize = true};
  Schedule one("plateau:0.1:1", options), two("plateau:0.1:1", options);
  for (const double metric : {0.1, 0.3, 0.2}) one.observe(metric);
  two.set_state(one.state());
  EXPECT_EQ(one.state(), two.state());
  EXPECT_EQ(two.lr_at(3), 1);
  two.observe(std::numeric_limits<double>::quiet_NaN());  // second epoch without improvement
  EXPECT_NEAR(two.lr_at(4), 0.1, 1e-15);
  two.observe(0.300001);  // better, but by less than the threshold
  two.observe(0.31);
  two.observe(0.31);
  EXPECT_NEAR(two.lr_at(7), 0.1, 1e-15);
  for (const char* bad :
       {"", "1", "1 0x1p0 2", "2 0x1p0 2 3", "1 0x1p0 2 3 4", "1 0x1p0 -2 3", "1 x 2 3", "0 0x1q 2 3"}) {
    EXPECT_THROW(two.set_state(bad), FormatError) << bad;
  }
  Schedule cosine("cosine");
  cosine.set_state(cosine.state());
}

TEST(Schedule, WhatIsWrongIsSaid) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"",
       "schedule: '' is not known; use constant, step, multi-step, exponential, polynomial, cosine, "
       "one-cycle or "
       "plateau"},
      {"cosin",
       "schedule: 'cosin' is not known; use constant, step, multi-step, exponential, polynomial, cosine, "
       "one-cycle or "
       "plateau"},
      {"step", "schedule: 'step' lacks a number; the form is step:EVERY[:GAMMA]"},
      {"step:", "schedule: 'step:' lacks a number; the form is step:EVERY[:GAMMA]"},
      {"step:0", "schedule: 'step:0' has '0'; the form is step:EVERY[:GAMMA]"},
      {"step:x", "schedule: 'step:x' has 'x'; the form is step:EVERY[:GAMMA]"},
      {"step:3.5", "schedule: 'step:3.5' has '3.5'; the form is step:EVERY[:GAMMA]"},
      {"step:3:2", "schedule: 'step:3:2' has '2'; the form is step:EVERY[:GAMMA]"},
      {"step:3:0.1:5", "schedule: 'step:3:0.1:5' has '5'; the form is step:EVERY[:GAMMA]"},
      {"step:9999999999", "schedule: 'step:9999999999' has '9999999999'; the form is step:EVERY[:GAMMA]"},
      {"multi-step:3,,4",
       "schedule: 'multi-step:3,,4' lacks a number; the form is multi-step:AT,AT,...[:GAMMA]"},
      {"exponential:nan", "schedule: 'exponential:nan' has 'nan'; the form is exponential:GAMMA[:EVERY]"},
      {"polynomial:1:0s", "schedule: 'polynomial:1:0s' has '0s'; the form is polynomial[:POWER[:SPAN]]"},
      {"cosine:3", "schedule: 'cosine:3' has '3'; the form is cosine"},
      {"one-cycle:1.5",
       "schedule: 'one-cycle:1.5' has '1.5'; the form is one-cycle[:RISE[:START_DIVISOR[:END_DIVISOR]]]"},
      {"plateau:0.1:-1",
       "schedule: 'plateau:0.1:-1' has '-1'; the form is plateau[:GAMMA[:PATIENCE[:THRESHOLD]]]"},
  };
  for (const auto& c : cases) {
    try {
      const Schedule schedule(c.text);
      ADD_FAILURE() << c.text;
    } catch (const UsageError& e) {
      EXPECT_STREQ(e.what(), c.message);
      EXPECT_EQ(e.exit_code(), Exit::usage);
    }
  }
  EXPECT_THROW(Schedule("one-cycle", {.warmup_steps = 5}), UsageError);
  EXPECT_THROW(Schedule("cosine", {.lr = 0}), UsageError);
  EXPECT_THROW(Schedule("cosine", {.lr = 0.1, .min_lr = 0.2}), UsageError);
  EXPECT_THROW(Schedule("cosine", {.total_steps = 0}), UsageError);
  EXPECT_THROW(Schedule("cosine", {.warmup_steps = -1}), UsageError);
  EXPECT_THROW(Schedule("cosine", {.warmup_factor = std::numeric_limits<double>::quiet_NaN()}), UsageError);
}

}  // namespace
