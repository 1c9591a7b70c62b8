// Tasks, cases and questions of assignment 5.
#include <algorithm>
#include <cmath>

#include "course/5/cases_films.h"
#include "course/5/cases_report.h"
#include "course/grader/assignment.h"

namespace gadolin::course {
namespace {

// Patients of one to six films, some films without one, in a random order.
Values films_request(Draw& draw) {
  std::vector<std::int64_t> patient, label, film;
  for (std::int64_t p = 0, patients = draw.integer(14, 22); p < patients; ++p)
    for (std::int64_t k = 0, films = draw.integer(1, 6); k < films; ++k) patient.push_back(p);
  for (int k = 0; k < 4; ++k) patient.push_back(-1);
  std::vector<std::int64_t> shuffled;
  for (const std::int64_t i : draw.order(static_cast<std::int64_t>(patient.size()))) {
    shuffled.push_back(patient[static_cast<std::size_t>(i)]);
    label.push_back(draw.integer(0, 2));
    film.push_back(i);
  }
  return {{"op", std::string("split")},
          {"patient", shuffled},
          {"label", label},
          {"film", film},
          {"seed", draw.integer(0, 1000)}};
}
Case draw_split(int number, Draw& draw) {
  Case c;
  c.request = films_request(draw);
  if (number % 3 == 2) {
    c.what = "leaks of a division by films";
    std::vector<std::int64_t> split;
    for (std::size_t i = 0; i < integers(c.request, "patient").size(); ++i)
      split.push_back(draw.integer(0, 3));
    c.request["split"] = split;
  } else {
    c.what = "a division by patients";
  }
  return c;
}

Case draw_ranking(int number, Draw& draw) {
  const std::int64_t n = draw.integer(20, 40);
  Array score{{n}, {}}, weight{{n}, {}};
  std::vector<std::int64_t> label;
  for (std::int64_t i = 0; i < n; ++i) {
    label.push_back(i < 2 ? i : draw.chance(0.4));
    score.numbers.push_back(static_cast<double>(draw.integer(0, 8)) / 8 +
                            (label.back() == 1 ? 0.25 : 0));  // many ties
    weight.numbers.push_back(static_cast<double>(draw.integer(0, 3)));
  }
  if (number % 6 == 5) label[static_cast<std::size_t>(n) - 1] = 255;
  Case c;
  const bool auc = number % 2 == 0, weighted = number % 4 < 2;
  c.what = std::string(auc ? "AUC" : "average precision") + (weighted ? ", weights" : "");
  c.request = {{"op", std::string("ranking")},
               {"of", std::string(auc ? "auc" : "ap")},
               {"score", score},
               {"label", label}};
  if (weighted) weight.numbers[0] = weight.numbers[1] = 1, c.request["weight"] = weight;
  c.limit = {1e-9, 0, 1};
  return c;
}

Case draw_bootstrap(int, Draw& draw) {
  Case c;
  c.what = "an interval by patients";
  std::vector<std::int64_t> patient;
  Array value{{0}, {}};
  for (std::int64_t p = 0, patients = draw.integer(9, 15); p < patients; ++p) {
    const double of_patient = draw.uniform(0, 1);
    for (std::int64_t k = 0, films = draw.integer(1, 8); k < films; ++k)
      patient.push_back(p), value.numbers.push_back(of_patient + draw.uniform(-0.1, 0.1));
  }
  value.shape[0] = static_cast<std::int64_t>(value.numbers.size());
  c.request = {{"op", std::string("bootstrap")},
               {"patient", patient},
               {"value", value},
               {"seed", draw.integer(0, 1000)}};
  c.limit = {1e-9, 0, 1};
  return c;
}

Case draw_calibration(int number, Draw& draw) {
  const std::int64_t n = draw.integer(30, 60);
  Array confidence{{n}, {}};
  std::vector<std::int64_t> right;
  for (std::int64_t i = 0; i < n; ++i) {
    // Every third one on the edge of two bins.
    const double p = i % 3 == 0 ? static_cast<double>(draw.integer(1, 14)) / 15 : draw.uniform(0.1, 1);
    confidence.numbers.push_back(p);
    right.push_back(draw.chance(p < 0.5 ? p + 0.2 : p - 0.2));  // too modest below a half, too sure above
  }
  Case c;
  const bool brier = number % 3 == 2;
  c.what = brier ? "Brier score" : "calibration error";
  c.request = {{"op", std::string("calibration")},
               {"of", std::string(brier ? "brier" : "ece")},
               {"confidence", confidence},
               {"right", right}};
  c.limit = {1e-9, 0, 1};
  return c;
}

Case draw_temperature(int number, Draw& draw) {
  const std::int64_t n = draw.integer(20, 30), k = draw.integer(2, 4);
  Case c;
  c.request = {{"op", std::string("temperature")}, {"logits", draw.array({n, k}, -6, 6)}};
  c.limit = {1e-6, 0, 1};
  if (number % 2 == 0) {
    c.what = "probabilities at a temperature";
    c.request["temperature"] = draw.uniform(1.3, 3);
    return c;
  }
  c.what = "the best temperature";
  const Array& z = array(c.request, "logits");
  std::vector<std::int64_t> target;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = z.numbers.begin() + i * k;
    const std::int64_t best = std::max_element(row, row + k) - row;
    target.push_back(i % 4 == 0 ? draw.integer(0, k - 1) : best);
  }
  target[0] = std::min_element(z.numbers.begin(), z.numbers.begin() + k) - z.numbers.begin();
  c.request["target"] = target;
  return c;
}

Case draw_cam(int, Draw& draw) {
  const std::int64_t in = draw.integer(1, 2), maps = draw.integer(4, 6), classes = draw.integer(2, 4);
  Case c;
  c.what = "a small net";
  c.request = {{"op", std::string("cam")},
               {"x", draw.array({2, in, draw.integer(5, 8), draw.integer(5, 8)})},
               {"filters", draw.array({maps, in, 3, 3})},
               {"top", draw.array({classes, maps})},
               {"class", draw.integer(1, classes - 1)}};
  c.limit = {1e-4, 0, 1};
  return c;
}

std::vector<Question> questions_5(Draw& draw, bool handout) {
  std::vector<double> score{.9, .8, .8, .7, .6, .6, .3, .1};
  std::vector<int> label{1, 1, 0, 1, 0, 1, 0, 0};
  if (!handout) {
    for (double& s : score) s = static_cast<double>(draw.integer(1, 9)) / 10;
    std::sort(score.rbegin(), score.rend());
    for (int& l : label) l = draw.chance(0.5);
    label[0] = label[3] = 1, label[1] = label[6] = 0;
  }
  double positives = 0, negatives = 0, right = 0, loose = 0, precision = 0, seen = 0, hits = 0;
  for (std::size_t i = 0; i < 8; ++i) (label[i] ? positives : negatives) += 1;
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      if (!label[i] || label[j]) continue;
      right += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
      loose += score[i] >= score[j];
    }
  }
  for (std::size_t i = 0; i < 8;) {
    double p = 0;
    const double at = score[i];
    for (; i < 8 && score[i] == at; ++i) seen += 1, p += label[i];
    hits += p;
    precision += p / positives * hits / seen;
  }
  const double auc = right / positives / negatives;
  std::string scores, labels;
  for (std::size_t i = 0; i < 8; ++i) {
    scores += (i ? ", ." : ".") + std::to_string(static_cast<int>(std::round(10 * score[i])));
    labels += (i ? ", " : "") + std::to_string(label[i]);
  }
  double n[3] = {10, 20, 20}, confidence[3] = {95, 75, 55}, share[3] = {80, 80, 50}, error = 0, total = 0,
         signed_error = 0;
  std::string bins;
  for (int b = 0; b < 3; ++b) {
    if (!handout)
      n[b] = static_cast<double>(10 * draw.integer(1, 5)),
      share[b] = confidence[b] + static_cast<double>(5 * draw.integer(-3, 1));
    total += n[b], error += n[b] * std::abs(share[b] - confidence[b]) / 100,
        signed_error += n[b] * (confidence[b] - share[b]) / 100;
    bins += (b ? ", (" : "(") + std::to_string(static_cast<int>(n[b])) + ", ." +
            std::to_string(static_cast<int>(confidence[b])) + ", ." +
            std::to_string(static_cast<int>(share[b])) + ")";
  }
  const std::int64_t z = handout ? 2 : draw.integer(1, 5), t = handout ? 2 : draw.integer(2, 4),
                     k = handout ? 40 : draw.integer(20, 90);
  const double logit = static_cast<double>(z), temperature = static_cast<double>(t);
  const auto logistic = [](double v) { return 1 / (1 + std::exp(-v)); };
  std::vector<Question> all{
      {"q1",
       "Scores " + scores + " with labels " + labels + ": AUC and average precision.",
       {auc, precision},
       false,
       {}},
      {"q2",
       "Bins of (number, confidence, share that is right): " + bins + ". The expected calibration error.",
       {error / total},
       false,
       {}},
      {"q3",
       "Logits (" + std::to_string(z) + ", 0), T = " + std::to_string(t) +
           ": the probability of the first class.",
       {logistic(logit / temperature)},
       false,
       {{{logistic(logit)}, "T divides the logits."},
        {{logistic(logit) / temperature}, "T divides logits, not probabilities."}}},
      {"q4",
       std::to_string(k) + " of " + std::to_string(k) +
           " patients are right: the lower end of the exact interval at 95 percent.",
       {std::pow(0.025, 1 / static_cast<double>(k))},
       false,
       {{{std::pow(0.05, 1 / static_cast<double>(k))}, "95 percent leave 2.5 on each side."}}}};
  if (loose != right)
    all[0].known.push_back({{loose / positives / negatives, precision}, "Ties count a half in the AUC."});
  if (std::abs(signed_error) != error)
    all[1].known.push_back(
        {{std::abs(signed_error) / total}, "Differences of the bins do not cancel: add their sizes."});
  return all;
}

}  // namespace

Assignment assignment_5() {
  Assignment a;
  a.number = 5;
  a.title = "A medical classifier";
  const auto task = [&](const char* id, const char* title, double points, Case (*f)(int, Draw&)) {
    a.tasks.push_back(
        {.id = id, .title = title, .points = points, .cut = id, .publics = 6, .hiddens = 12, .draw = f});
  };
  task("5.1", "patients on one side", 16, draw_split);
  task("5.2a", "AUC and average precision", 10, draw_ranking);
  task("5.2b", "an interval by patients", 8, draw_bootstrap);
  task("5.3a", "calibration", 6, draw_calibration);
  task("5.3b", "temperature", 6, draw_temperature);
  task("5.4", "where the net looks", 12, draw_cam);
  a.tasks.push_back(investigation());
  a.tasks.push_back(report_demonstration());
  a.questions = questions_5;
  a.data = [](Draw student, const std::string& folder) { write_films(draw_films(student), folder); };
  a.right_files = right_investigation;
  return a;
}

}  // namespace gadolin::course
