// Figures of the course's slides: computed here, drawn by the chart code, and the same as those in
// course/slides/figures. GADOLIN_DRAW=1 writes them instead of comparing.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "apps/chart/chart.h"
#include "apps/chart/svg.h"
#include "layers/norm.h"
#include "tasks/metrics.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "tests/apps/program.h"
#include "tests/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

void expect_figure(const std::string& name, const std::string& drawn) {
  const std::string file = in_repository("course/slides/figures/" + name + ".svg");
  if (std::getenv("GADOLIN_DRAW")) std::ofstream(file, std::ios::binary) << drawn;
  EXPECT_EQ(contents_of(file), drawn) << "GADOLIN_DRAW=1 draws it anew";
}

chart::Frame figure(const std::string& title, const std::string& x, const std::string& y) {
  return {.title = title, .x_label = x, .y_label = y, .own_ground = true};
}

// y = f(x) at `count` places from `first` to `last`.
template <class F> chart::Series curve(const std::string& name, double first, double last, int count, F f) {
  chart::Series series{.name = name, .x = {}, .y = {}};
  for (int i = 0; i < count; ++i) {
    series.x.push_back(first + (last - first) * i / (count - 1));
    series.y.push_back(f(series.x.back()));
  }
  return series;
}

// Where the elements of a [4, 6] tensor lie, in the order of its transpose.
TEST(CourseFigures, Strides) {
  const Tensor t = arange(24).reshape({4, 6}).transpose(0, 1);
  chart::HeatMap map;
  for (int i = 0; i < 6; ++i) map.rows.push_back(std::to_string(i));
  for (int j = 0; j < 4; ++j) map.columns.push_back(std::to_string(j));
  for (const std::int64_t at : t.to_vector<std::int64_t>()) {
    map.shade.push_back(static_cast<double>(at) / 23);
    map.text.push_back(std::to_string(at));
  }
  expect_figure("strides",
                chart::heat_map(map, figure("Offset of t[i, j], sizes [6, 4], strides [1, 6]", "j", "i")));
}

TEST(CourseFigures, OperandReads) {
  const auto reads = [](double tile_m, double tile_n) { return 1 / tile_m + 1 / tile_n; };
  const auto bar = [](const std::string& name, double value) { return chart::Bar{name, value, NAN, NAN}; };
  expect_figure("reads", chart::bar_chart({bar("three loops", 2), bar("tiles of 4 x 4", reads(4, 4)),
                                           bar("tiles of 16 x 16", reads(16, 16)),
                                           bar("tiles of 64 x 128", reads(64, 128))},
                                          figure("Operand reads for one multiplication", "", "")));
}

// Products alone: no compiler and no library rounds them otherwise.
double cube(double x) { return x * x * x; }

TEST(CourseFigures, Differences) {
  const auto error = [](double h, bool central) {
    const double slope = central ? (cube(1 + h) - cube(1 - h)) / (2 * h) : (cube(1 + h) - cube(1)) / h;
    return std::max(std::fabs(slope / 3 - 1), 1e-13);
  };
  std::vector<chart::Series> series(2);
  for (const bool central : {false, true}) {
    chart::Series& s = series[central];
    s.name = central ? "central" : "one-sided";
    for (int k = -24; k <= -1; ++k) {  // h is a power of two, so that 1 + h is exact
      s.x.push_back(std::log10(std::ldexp(1.0, 2 * k)));
      s.y.push_back(error(std::ldexp(1.0, 2 * k), central));
    }
  }
  expect_figure("differences",
                chart::line_chart(
                    series, figure("Error of the slope of x^3 at 1 (fp64)", "log10 of h", "relative error"),
                    {.log_y = true}));
}

// d x[i] / d y[j] of a batch norm: every x moves the mean and the variance of all.
TEST(CourseFigures, NormJacobian) {
  const int n = 6;
  const Tensor x = tensor({-2, -1, -0.5, 0.5, 1, 2}, {n, 1}, DType::fp64).requires_grad_();
  const Tensor one = ones({1}, DType::fp64), zero = zeros({1}, DType::fp64);
  chart::HeatMap map;
  for (int j = 0; j < n; ++j) {
    map.rows.push_back("y" + std::to_string(j));
    map.columns.push_back("x" + std::to_string(j));
    Tensor seed = zeros({n, 1}, DType::fp64);
    seed.data<double>()[j] = 1;
    x.zero_grad();
    batch_norm(x, one, zero, zero.clone(), one.clone(), {.training = true}).backward(seed);
    for (const double d : x.grad().to_vector<double>()) {
      map.shade.push_back(std::fabs(d));
      map.text.push_back(chart::fixed(d, 2));
    }
  }
  expect_figure(
      "norm", chart::heat_map(map, figure("How each result of a batch norm moves with each input", "", "")));
}

TEST(CourseFigures, AdamsFirstSteps) {
  const auto path = [](bool corrected) {
    return [corrected, w = 0.0, m = 0.0, v = 0.0](double step) mutable {
      if (step == 0) return 0.0;
      m = 0.9 * m + 0.1 * 0.02;
      v = 0.999 * v + 0.001 * 0.02 * 0.02;
      const double a = corrected ? 1 - std::pow(0.9, step) : 1, b = corrected ? 1 - std::pow(0.999, step) : 1;
      w -= 1e-3 * (m / a) / (std::sqrt(v / b) + 1e-8);
      return -w * 1000;
    };
  };
  expect_figure("adam", chart::line_chart(
                            {curve("with bias correction", 0, 20, 21, path(true)),
                             curve("without", 0, 20, 21, path(false))},
                            figure("Way of a weight whose gradient is always 0.02", "step", "way / rate")));
}

TEST(CourseFigures, Roofline) {
  const auto bound = [](double log2_intensity) { return std::fmin(60.0, 4 * std::exp2(log2_intensity)); };
  expect_figure("roofline", chart::line_chart({curve("4 TB/s, 60 TFLOP/s", -4, 8, 49, bound)},
                                              figure("What a kernel can reach at most",
                                                     "log2 of operations a byte", "TFLOP/s"),
                                              {.log_y = true}));
}

TEST(CourseFigures, RocOfEightFilms) {
  const std::vector<double> score{.9, .8, .8, .7, .6, .6, .3, .1};
  const std::vector<std::uint8_t> label{1, 1, 0, 1, 0, 1, 0, 0};
  const RocCurve roc = Ranking(score, label).roc();
  expect_figure(
      "roc", chart::line_chart(
                 {{.name = "8 films, AUC 0.8125", .x = roc.false_positive_rate, .y = roc.true_positive_rate}},
                 figure("Ties go up and to the right at once", "false positive rate", "true positive rate"),
                 {.unit_square = true, .diagonal = true}));
}

// Labels are drawn with probability s(z), a net says s(3 z), and a temperature of 3 puts it right.
TEST(CourseFigures, Calibration) {
  const auto logistic = [](double z) { return 1 / (1 + std::exp(-z)); };
  const auto reliability = [&](const std::string& name, double factor) {
    double count[15] = {}, said[15] = {}, true_ones[15] = {};
    for (std::uint64_t i = 0; i < 20000; ++i) {
      const double z = 6.0 * static_cast<double>(uniform_at(1, 0, i)) - 3, p = logistic(factor * z);
      const int bin = std::min(14, static_cast<int>(15 * p));
      count[bin] += 1;
      said[bin] += p;
      true_ones[bin] += static_cast<double>(uniform_at(1, 1, i)) < logistic(z);
    }
    chart::Series s{.name = name, .x = {}, .y = {}};
    for (int b = 0; b < 15; ++b) {
      if (count[b] == 0) continue;
      s.x.push_back(said[b] / count[b]);
      s.y.push_back(true_ones[b] / count[b]);
    }
    return s;
  };
  expect_figure("calibration",
                chart::line_chart({reliability("too sure", 3), reliability("temperature 3", 1)},
                                  figure("What came true of what was said", "probability that was said",
                                         "share that came true"),
                                  {.unit_square = true, .diagonal = true}));
}

TEST(CourseFigures, FocalLoss) {
  std::vector<chart::Series> series;
  for (const double gamma : {0.0, 1.0, 2.0, 5.0})
    series.push_back(curve("gamma " + chart::number(gamma), 0.02, 1, 50,
                           [&](double p) { return -std::pow(1 - p, gamma) * std::log(p); }));
  expect_figure("focal",
                chart::line_chart(series, figure("Loss of an anchor", "probability of the truth", "loss")));
}

TEST(CourseFigures, GradientThroughTime) {
  std::vector<chart::Series> series;
  for (const double gate : {0.5, 0.9, 0.99})
    series.push_back(
        curve("forget gate " + chart::number(gate), 0, 60, 61, [&](double t) { return std::pow(gate, t); }));
  expect_figure("memory",
                chart::line_chart(series, figure("What is left of a gradient", "slices back", "share"),
                                  {.log_y = true}));
}

}  // namespace
