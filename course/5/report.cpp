// The report of a small run, every number of it by the student's code: division, interval, calibration,
// temperature, maps.
#include "course/5/report.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <stdexcept>

#include "course/grader/tensors.h"
#include "data/sets/split.h"
#include "layers/conv.h"
#include "layers/linear.h"
#include "layers/loss.h"
#include "layers/module.h"
#include "layers/pool.h"
#include "tasks/calibration.h"
#include "tasks/cam.h"
#include "tasks/metrics.h"
#include "tasks/temperature.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/optimizer.h"

namespace gadolin::course {
namespace {

constexpr std::int64_t kinds = 2;  // nothing, a spot

// Films made up here for people; the grader sends its own.
Values made_up_request() {
  RandomStream random(5, 5);
  Array x{{160, 1, 12, 12}, {}};
  std::vector<std::int64_t> label, patient;
  for (std::int64_t i = 0; i < 160; ++i) {
    label.push_back(i % 2), patient.push_back(i / 4);
    const double at_x = 2 + 8 * static_cast<double>(random.uniform()),
                 at_y = 2 + 8 * static_cast<double>(random.uniform()),
                 height = 0.5 + 1.2 * static_cast<double>(random.uniform());  // some are hardly to be seen
    for (int p = 0; p < 144; ++p) {
      const double dx = p % 12 + 0.5 - at_x, dy = p / 12 + 0.5 - at_y;
      x.numbers.push_back(2 * static_cast<double>(random.uniform()) - 1 +
                          (i % 2 == 1 ? height * std::exp(-(dx * dx + dy * dy) / 4) : 0));
    }
  }
  return {{"x", x}, {"label", label}, {"patient", patient}, {"seed", std::int64_t{3}}};
}

struct Side {
  std::vector<std::int64_t> films;
  std::vector<std::int64_t> label;
  std::vector<std::string> patient;
  std::vector<double> logits;
};

std::vector<double> spots_of(const std::vector<double>& probability) {
  std::vector<double> spot;
  for (std::size_t i = 1; i < probability.size(); i += kinds) spot.push_back(probability[i]);
  return spot;
}

// A square a pixel, or a bar a bin: enough for a page without a chart library.
std::string rectangle(double x, double y, double w, double h, double grey, double red) {
  char text[160];
  const int light = static_cast<int>(255 * std::fmin(1, std::fmax(0, grey)));
  const int less = static_cast<int>(light * (1 - 0.8 * std::fmin(1, std::fmax(0, red))));
  std::snprintf(text, sizeof text,
                "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='rgb(%d,%d,%d)'/>", x, y, w, h,
                light, less, less);
  return text;
}

void write_page(const std::string& file, const std::string& numbers, const Calibration& calibration,
                const Array& x, const std::vector<std::int64_t>& shown, const Tensor& maps) {
  std::string page = "<!doctype html><title>A small run</title><h1>A small run</h1><pre>" + numbers +
                     "</pre><h2>Said and true, a bar a bin</h2><svg width='300' height='120'>";
  for (const ReliabilityBin& bin : calibration.table())
    if (bin.weight > 0)
      page += rectangle(300 * bin.low, 120 - 120 * bin.share, 18, 120 * bin.share, 0.5, 0) +
              rectangle(300 * bin.low, 119 - 120 * bin.confidence, 18, 2, 1, 1);
  page += "</svg><h2>Where the net looks (red)</h2>";
  const std::int64_t side = x.shape[2];
  const std::vector<double> map = maps.to_vector<double>();
  for (std::size_t k = 0; k < shown.size(); ++k) {
    page += "<svg width='100' height='100'>";
    for (std::int64_t p = 0; p < side * side; ++p)
      page += rectangle(8.0 * static_cast<double>(p % side), 8.0 * static_cast<double>(p / side), 8, 8,
                        0.5 + 0.25 * x.numbers[static_cast<std::size_t>(shown[k] * side * side + p)],
                        map[k * static_cast<std::size_t>(side * side) + static_cast<std::size_t>(p)]);
    page += "</svg> ";
  }
  std::ofstream out(file);
  out << page << "<p>Made up; for teaching only.</p>\n";
  if (!out.flush()) throw std::runtime_error(file + ": cannot be written");
}

Tensor whole_numbers(const std::vector<std::int64_t>& v) {
  return tensor_of({{static_cast<std::int64_t>(v.size())}, {v.begin(), v.end()}}, DType::int64);
}

Tensor pictures_of(const Values& request, const std::vector<std::int64_t>& films) {
  return index_select(tensor_of(array(request, "x"), DType::fp32), 0, whole_numbers(films));
}

}  // namespace

Dataset report_films(const Values& request) {
  const std::vector<std::int64_t>&label = integers(request, "label"), &patient = integers(request, "patient");
  std::vector<SampleInfo> samples(label.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].name = "film" + std::to_string(1000 + i);
    samples[i].patient = "P" + std::to_string(patient.at(i));
    samples[i].labels = {static_cast<int>(label[i])};
  }
  return Dataset({"nothing", "spot"}, false, samples, "");
}

Sequential report_net() {
  return Sequential(Conv2d(1, 6, 3, {.padding = 1}), ReLU(), Conv2d(6, 8, 3, {.padding = 1}), ReLU(),
                    GlobalAvgPool2d(), Flatten(), Linear(8, static_cast<int>(kinds)));
}

std::vector<std::int64_t> films_to_show(const Dataset& films) {
  std::vector<std::int64_t> shown;
  for (std::int64_t i = 0; i < films.size() && shown.size() < 8; ++i)
    if (films.info(i).split == Split::test && films.info(i).labels[0] == 1) shown.push_back(i);
  return shown;
}

Tensor report_maps(Sequential& net, const Values& request, const std::vector<std::int64_t>& shown) {
  return grad_cam(net, pictures_of(request, shown), 1, "2");
}

Values film_report_answer(const Values& asked) {
  const Values request = asked.contains("x") ? asked : made_up_request();
  const Array& x = array(request, "x");
  Dataset films = report_films(request);
  assign_splits(
      films,
      {.train = 0.5, .val = 0.2, .test = 0.3, .seed = static_cast<std::uint64_t>(integer(request, "seed"))});
  if (const std::vector<Leak> leaks = patient_leaks(films); !leaks.empty())
    throw std::runtime_error("the report is not made: " + std::to_string(leaks.size()) +
                             " patients stand on both sides");
  std::map<Split, Side> sides;
  std::vector<std::int64_t> split;
  for (std::int64_t i = 0; i < films.size(); ++i) {
    Side& side = sides[films.info(i).split];
    side.films.push_back(i);
    side.label.push_back(films.info(i).labels[0]);
    side.patient.push_back(films.info(i).patient);
    split.push_back(static_cast<std::int64_t>(films.info(i).split));
  }
  const auto pictures = [&](const Side& side) { return pictures_of(request, side.films); };
  Sequential net = report_net();
  OptimizerOptions options = optimizer_options("adamw");
  options.lr = 0.02;
  Optimizer optimizer(net.parameters(), options);
  Side &learnt = sides[Split::train], &held = sides[Split::val], &test = sides[Split::test];
  const Tensor seen = pictures(learnt), wanted = whole_numbers(learnt.label);
  for (int step = 0; step < 120; ++step) {
    optimizer.zero_grad();
    cross_entropy(net(seen), wanted).backward();
    optimizer.step();
  }
  net.eval();
  {
    const NoGrad guard;
    for (Side* side : {&held, &test}) side->logits = net(pictures(*side)).to_vector<double>();
  }
  const double temperature = fit_temperature(held.logits, held.label, kinds).value;
  const std::vector<double> spot = spots_of(softmax_at(test.logits, kinds, temperature));
  const std::vector<std::uint8_t> right(test.label.begin(), test.label.end());
  const Ranking ranking(spot, right);
  const Interval interval = bootstrap(test.patient, [&](Reals weight) { return ranking.auc(weight); },
                                      {.resamples = 200, .seed = 1});
  const Calibration calibration(spot, right);
  const std::vector<std::int64_t> shown = films_to_show(films);
  const Tensor maps = report_maps(net, request, shown);
  Values answer{
      {"splits", split},
      {"validation logits", Array{{static_cast<std::int64_t>(held.label.size()), kinds}, held.logits}},
      {"test logits", Array{{static_cast<std::int64_t>(test.label.size()), kinds}, test.logits}},
      {"temperature", temperature},
      {"auc", ranking.auc()},
      {"average precision", ranking.average_precision()},
      {"low", interval.low},
      {"high", interval.high},
      {"calibration error", calibration.expected_error()},
      {"brier", calibration.brier()},
      {"shown", shown},
      {"maps", array_of(maps)}};
  for (const Parameter& p : net.parameters()) answer["net." + p.name] = array_of(p.tensor);
  if (!asked.contains("folder")) return answer;
  std::string numbers;
  for (const char* name :
       {"auc", "low", "high", "average precision", "temperature", "calibration error", "brier"})
    numbers += std::string(name) + ": " + to_string(answer.at(name)) + "\n";
  write_page(text(asked, "folder") + "/report.html", numbers, calibration, x, shown, maps);
  if (!asked.contains("x"))  // for people, the headline alone
    std::erase_if(answer, [](const auto& one) { return !std::holds_alternative<double>(one.second); });
  return answer;
}

}  // namespace gadolin::course
