#include "apps/mammography/film_component.h"

#include <algorithm>

namespace gadolin::mammography {
namespace {

// Set pixels side by side in a row, [begin, end), and a set of runs by its tree.
struct Run {
  int y, begin, end;
  std::size_t parent;
};

std::size_t root_of(std::vector<Run>& runs, std::size_t i) {
  while (runs[i].parent != i) i = runs[i].parent = runs[runs[i].parent].parent;
  return i;
}

// Of the runs of one row, from `first` on, with those of the row before.
void join(std::vector<Run>& runs, std::size_t above, std::size_t first) {
  for (std::size_t i = first; i < runs.size(); ++i) {
    // Corners touch too.
    while (above < first && runs[above].end < runs[i].begin) ++above;
    for (std::size_t j = above; j < first && runs[j].begin <= runs[i].end; ++j) {
      const std::size_t a = root_of(runs, j), b = root_of(runs, i);
      runs[std::max(a, b)].parent = std::min(a, b);
    }
  }
}

}  // namespace

Component keep_largest(std::vector<bool>& mask, int width, int height) {
  std::vector<Run> runs;
  std::size_t above = 0;
  for (int y = 0; y < height; ++y) {
    const std::size_t first = runs.size(),
                      row = static_cast<std::size_t>(y) * static_cast<std::size_t>(width);
    for (int x = 0; x < width; ++x) {
      if (!mask[row + static_cast<std::size_t>(x)]) continue;
      Run run{y, x, x + 1, runs.size()};
      while (run.end < width && mask[row + static_cast<std::size_t>(run.end)]) ++run.end;
      x = run.end;
      runs.push_back(run);
    }
    if (y > 0) join(runs, above, first);
    above = first;
  }
  std::vector<std::int64_t> pixels(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) pixels[root_of(runs, i)] += runs[i].end - runs[i].begin;
  Component kept;
  const auto most = std::max_element(pixels.begin(), pixels.end());
  if (most == pixels.end()) return kept;
  const auto root = static_cast<std::size_t>(most - pixels.begin());
  kept.pixels = *most;
  int left = width, right = 0, top = height, bottom = 0;
  mask.assign(mask.size(), false);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (root_of(runs, i) != root) continue;
    const Run& run = runs[i];
    left = std::min(left, run.begin);
    right = std::max(right, run.end);
    top = std::min(top, run.y);
    bottom = run.y + 1;
    const auto at = mask.begin() + static_cast<std::ptrdiff_t>(run.y) * width;
    std::fill(at + run.begin, at + run.end, true);
  }
  kept.box = {left, top, right - left, bottom - top};
  return kept;
}

}  // namespace gadolin::mammography
