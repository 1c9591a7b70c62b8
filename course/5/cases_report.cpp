#include "course/5/cases_report.h"

#include <cmath>
#include <cstdio>

#include "course/5/report.h"
#include "course/grader/tensors.h"
#include "data/sets/split.h"
#include "tasks/calibration.h"
#include "tasks/metrics.h"
#include "tasks/temperature.h"
#include "tensor/autograd.h"

namespace gadolin::course {
namespace {

constexpr std::int64_t film_side = 12, film_count = 160;

// Half of the films have a soft spot; patients have one to seven films.
Case draw_report(int, Draw& draw) {
  Case c;
  c.what = "the report of a run";
  c.limit.absolute = 1e-3;  // of maps, whose largest value is 1
  Array x{{film_count, 1, film_side, film_side}, {}};
  std::vector<std::int64_t> label, patient;
  std::int64_t of = 0, left = draw.integer(1, 7);
  for (std::int64_t i = 0; i < film_count; ++i) {
    if (left-- == 0) ++of, left = draw.integer(0, 6);
    label.push_back(draw.integer(0, 1)), patient.push_back(of);
    const double at_x = draw.uniform(2, 10), at_y = draw.uniform(2, 10),
                 height = draw.uniform(0.5, 1.7);  // some are hardly to be seen
    for (std::int64_t p = 0; p < film_side * film_side; ++p) {
      const double dx = static_cast<double>(p % film_side) + 0.5 - at_x,
                   dy = static_cast<double>(p / film_side) + 0.5 - at_y;
      x.numbers.push_back(draw.uniform(-1, 1) +
                          (label.back() == 1 ? height * std::exp(-(dx * dx + dy * dy) / 4) : 0));
    }
  }
  c.request = {{"op", std::string("report")},
               {"x", x},
               {"label", label},
               {"patient", patient},
               {"seed", draw.integer(0, 1000)}};
  return c;
}

std::string compare_one(const Values& got, const char* name, double right, double limit) {
  const double said = real(got, name);
  if (std::abs(said - right) <= limit) return "";
  char line[120];
  std::snprintf(line, sizeof line, "%s: the report says %.6f, its predictions give %.6f", name, said, right);
  return line;
}

// The maps must be those of the net that the report has learnt, whatever it has learnt.
std::string compare_maps(const Case& c, const Values& got, const Dataset& films) {
  Sequential net = report_net();
  for (Parameter& p : net.parameters()) {
    const NoGrad guard;
    p.tensor.copy_(tensor_of(array(got, "net." + p.name), DType::fp32));
  }
  const std::vector<std::int64_t> shown = films_to_show(films);
  return difference(c, got, {{"shown", shown}, {"maps", array_of(report_maps(net, c.request, shown))}});
}

// The division is production's; every other number must follow from the predictions of the report itself.
// Nothing is asked of how well the net has learnt, which rounding decides and no part of the student's.
std::string compare_report(const Case& c, const Values& got, const Values&) {
  if (got.contains("error")) return text(got, "error");
  Dataset films = report_films(c.request);
  assign_splits(films, {.train = 0.5,
                        .val = 0.2,
                        .test = 0.3,
                        .seed = static_cast<std::uint64_t>(integer(c.request, "seed"))});
  std::vector<std::int64_t> held_label, test_label;
  std::vector<std::string> patient;
  for (std::int64_t i = 0; i < films.size(); ++i) {
    const SampleInfo& film = films.info(i);
    if (integers(got, "splits").at(static_cast<std::size_t>(i)) != static_cast<std::int64_t>(film.split))
      return "film " + std::to_string(i) + " is on another side than the framework's";
    if (film.split == Split::val) held_label.push_back(film.labels[0]);
    if (film.split == Split::test) test_label.push_back(film.labels[0]), patient.push_back(film.patient);
  }
  const Array &held = array(got, "validation logits"), &test = array(got, "test logits");
  const double temperature = fit_temperature(held.numbers, held_label, 2).value;
  std::vector<double> spot;
  const std::vector<double> probability = softmax_at(test.numbers, 2, temperature);
  for (std::size_t i = 1; i < probability.size(); i += 2) spot.push_back(probability[i]);
  const std::vector<std::uint8_t> right(test_label.begin(), test_label.end());
  const Ranking ranking(spot, right);
  const Calibration calibration(spot, right);
  const Interval interval =
      bootstrap(patient, [&](Reals weight) { return ranking.auc(weight); }, {.resamples = 200, .seed = 1});
  for (const auto& [name, value] :
       {std::pair("temperature", temperature), std::pair("auc", ranking.auc()),
        std::pair("average precision", ranking.average_precision()), std::pair("low", interval.low),
        std::pair("high", interval.high), std::pair("calibration error", calibration.expected_error()),
        std::pair("brier", calibration.brier())})
    if (std::string wrong = compare_one(got, name, value, 1e-5 * std::max(1.0, std::abs(value)));
        !wrong.empty())
      return wrong;
  return compare_maps(c, got, films);
}

}  // namespace

Task report_demonstration() {
  Task t;
  t.id = "5.6";
  t.title = "the report of a run";
  t.points = 8;
  t.cut = "*";
  t.publics = 1;
  t.hiddens = 2;
  t.draw = draw_report;
  t.want = [](const Values&) { return Values{}; };
  t.compare = compare_report;
  t.limits.cpu_seconds = 30, t.limits.wall_seconds = 45;
  return t;
}

}  // namespace gadolin::course
