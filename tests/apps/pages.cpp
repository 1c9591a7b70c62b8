// The reference pages in docs/ say what the code does: their examples are computed anew, and no step,
// schedule or metric is missing.
#include <gtest/gtest.h>

#include <cstdio>
#include <regex>
#include <sstream>

#include "data/image/transforms.h"
#include "io/atomic_file.h"
#include "tasks/metric_summary.h"
#include "tests/scratch.h"
#include "train/checkpoint.h"
#include "train/schedule.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

std::string page(const std::string& name) { return read_file(fixture("../../docs/" + name), 1 << 20); }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Cells of a Markdown table's row, without the spaces and backticks around them.
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  std::string cell;
  std::getline(in, cell, '|');
  while (std::getline(in, cell, '|')) {
    const std::size_t from = cell.find_first_not_of(" `"), to = cell.find_last_not_of(" `");
    cells.push_back(from == std::string::npos ? "" : cell.substr(from, to - from + 1));
  }
  return cells;
}

TEST(Pages, EveryStepOfPipelinesIsExplained) {
  const std::string text = page("pipelines.md");
  std::string known = message_of<UsageError>([] { Pipeline("no-such-step"); });
  known = known.substr(known.find("known are ") + 10);
  std::istringstream in(known);
  int steps = 0;
  for (std::string step; in >> step; ++steps) {
    if (step.back() == ',') step.pop_back();
    EXPECT_TRUE(std::regex_search(text, std::regex("`" + step + "[`:\\[]"))) << step;
  }
  EXPECT_GE(steps, 17);
}

TEST(Pages, ExamplesOfPipelinesAreAccepted) {
  const std::string text = page("pipelines.md");
  const std::size_t from = text.find("```\n") + 4, to = text.find("```", from);
  int examples = 0;
  for (const std::string& line : lines_of(text.substr(from, to - from))) {
    EXPECT_NO_THROW(Pipeline{line}) << line;
    ++examples;
  }
  EXPECT_EQ(examples, 2);
}

TEST(Pages, TheTableOfSchedulesHoldsTheirRates) {
  std::vector<std::string> columns;
  int rows = 0;
  for (const std::string& line : lines_of(page("schedules.md"))) {
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() < 3) columns.clear();
    if (cells.size() > 3 && cells[1] == "warm-up steps") columns = cells;
    if (columns.empty() || cells == columns || cells[0].rfind("---", 0) == 0) continue;
    ASSERT_EQ(cells.size(), columns.size()) << line;
    const Schedule schedule(
        cells[0],
        {.lr = 0.1, .total_steps = 100, .steps_per_epoch = 10, .warmup_steps = std::stoll(cells[1])});
    for (std::size_t i = 2; i < cells.size(); ++i) {
      char rate[32];
      std::snprintf(rate, sizeof rate, "%.4g", schedule.lr_at(std::stoll(columns[i])));
      EXPECT_EQ(cells[i], rate) << line << ", step " << columns[i];
    }
    ++rows;
  }
  EXPECT_GE(rows, 10);
}

TEST(Pages, TheExampleOfACheckpointIsWhatIsWritten) {
  std::string bytes;
  const std::regex row("[0-9a-f]{8}: (([0-9a-f]{2} ){16}).*");
  for (const std::string& line : lines_of(page("checkpoint.md"))) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    std::istringstream in(found[1]);
    for (int byte = 0; in >> std::hex >> byte;) bytes += static_cast<char>(byte);
  }
  Checkpoint c;
  c.facts["step"] = "7";
  c.tensors["w"] = from_vector<float>({1, -2}, {2});
  const Scratch dir;
  save_checkpoint(dir / "tiny.gdck", c);
  EXPECT_EQ(read_file(dir / "tiny.gdck", 1 << 20), bytes);
}

TEST(Pages, EveryMetricIsExplained) {
  const std::string text = page("metrics.md");
  Predictions one{{"a", "b", "c"}, {1, 0, 0, 0, 1, 0, 0, 0, 1}, {0, 1, 2}, {}, {}};
  Predictions several{{"LABEL", "other"}, {1, 0, 0, 1}, {}, {1, 0, 0, 1}, {}};
  int metrics = 0;
  for (const Predictions* p : {&one, &several}) {
    for (const MetricValue& m : summarize(*p, {.resamples = 0})) {
      if (m.name.find("/other") != std::string::npos) continue;
      EXPECT_NE(text.find("`" + m.name + "`"), std::string::npos) << m.name;
      ++metrics;
    }
  }
  EXPECT_GE(metrics, 12);
}

}  // namespace
