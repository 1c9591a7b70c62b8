// Tasks, cases and questions of assignment 6B.
#include <cmath>

#include "course/7/cases_neighbours.h"
#include "course/grader/assignment.h"

namespace gadolin::course {
namespace {

struct LstmSizes {
  std::int64_t n, t, features, hidden, sides = 1;
};
Case lstm_case(const LstmSizes& z, Draw& draw, const char* of) {
  Case c;
  c.request = {{"op", std::string("lstm")},
               {"sides", z.sides},
               {"hidden", z.hidden},
               {"forget bias", draw.uniform(0.5, 1.5)},
               {"x", draw.array({z.n, z.t, z.features})},
               {"h0", draw.array({z.sides, z.n, z.hidden})},
               {"c0", draw.array({z.sides, z.n, z.hidden})}};
  for (std::int64_t d = 0; d < z.sides; ++d) {
    const std::string back = d == 0 ? "" : " back";
    c.request["ih" + back] = draw.array({4 * z.hidden, z.features});
    c.request["hh" + back] = draw.array({4 * z.hidden, z.hidden});
    c.request["bias" + back] = draw.array({4 * z.hidden});
  }
  if (of) {
    c.request["of"] = std::string(of);
    c.request["dy"] = draw.array({z.n, z.t, z.sides * z.hidden});
    c.request["dh"] = draw.array({z.sides, z.n, z.hidden});
  }
  c.limit = {1e-9, 0, 1};
  if (z.t > 1) c.traits.push_back("there is more than one step");
  return c;
}
LstmSizes some_lstm(Draw& draw, std::int64_t steps) {
  return {draw.integer(1, 3), steps, draw.integer(1, 3), draw.integer(2, 4)};
}

Case draw_step(int number, Draw& draw) {
  const std::int64_t steps = number % 3 == 0 ? 1 : draw.integer(2, 4);
  Case c = lstm_case(some_lstm(draw, steps), draw, nullptr);
  c.what = steps == 1 ? "one step" : "some steps";
  return c;
}
Case draw_through_time(int number, Draw& draw) {
  static const char* const words[] = {"one step", "input and first state", "weights"};
  static const char* const of[] = {" x h0 c0 ih hh bias ", " x h0 c0 ", " ih hh bias "};
  const std::int64_t steps = number % 3 == 0 ? 1 : number > 20 && number % 3 == 1 ? 60 : draw.integer(3, 6);
  LstmSizes z = some_lstm(draw, steps);
  z.n = draw.integer(2, 3);
  Case c = lstm_case(z, draw, of[number % 3]);
  c.what = words[number % 3];
  if (steps == 60) c.limit = {1e-6, 0, 1};
  return c;
}
Case draw_lengths(int number, Draw& draw) {
  LstmSizes z = some_lstm(draw, draw.integer(4, 6));
  z.n = 3;
  Case c = lstm_case(z, draw, number % 2 == 0 ? nullptr : " x hh h0 ");
  c.what = number % 2 == 0 ? "series of different length" : "their gradients";
  c.request["lengths"] = std::vector<std::int64_t>{number % 4 < 2 ? 0 : 1, draw.integer(2, z.t - 1), z.t};
  c.traits = {"a series is shorter than the longest"};
  return c;
}
Case draw_sides(int number, Draw& draw) {
  LstmSizes z = some_lstm(draw, draw.integer(3, 5));
  z.n = draw.integer(2, 3), z.sides = 2;
  Case c = lstm_case(z, draw, number % 3 == 2 ? " x " : nullptr);
  c.what = number % 3 == 2 ? "two directions, gradient" : "two directions";
  return c;
}

// Slices of an oblique series in a random order, numbered in another.
Case draw_series(int number, Draw& draw) {
  const std::int64_t n = draw.integer(5, 9);
  const double a = draw.uniform(0.6, 1.3), b = draw.uniform(0.6, 1.3);
  // Row and column of a plane that is turned about x and then about z.
  std::vector<double> row{std::cos(b), std::sin(b), 0},
      column{-std::sin(b) * std::cos(a), std::cos(b) * std::cos(a), std::sin(a)};
  if (number % 2 == 1) column = {-column[0], -column[1], -column[2]};  // the normal points down
  const std::vector<double> normal{row[1] * column[2] - row[2] * column[1],
                                   row[2] * column[0] - row[0] * column[2],
                                   row[0] * column[1] - row[1] * column[0]};
  Array position{{n, 3}, {}}, orientation{{6}, row};
  orientation.numbers.insert(orientation.numbers.end(), column.begin(), column.end());
  const std::vector<std::int64_t> places = draw.order(n);
  const double gap = draw.uniform(1, 5), shear = draw.uniform(8, 12);
  for (const std::int64_t place : places) {
    // Slices are shifted within their plane, so that z alone tells another order.
    const double along = gap * static_cast<double>(place), within = (place % 2 == 0 ? 1 : -1) * shear * gap;
    for (std::size_t d = 0; d < 3; ++d) position.numbers.push_back(along * normal[d] + within * column[d]);
  }
  Case c;
  c.what = "an oblique series";
  c.request = {{"op", std::string("series")},
               {"position", position},
               {"orientation", orientation},
               {"number", draw.order(n)}};
  return c;
}

Case draw_loss(int number, Draw& draw) {
  const std::int64_t n = draw.integer(2, 4), k = 6;
  Array probability{{n, k}, {}};
  std::vector<std::int64_t> label;
  for (std::int64_t i = 0; i < n * k; ++i) {
    probability.numbers.push_back(draw.uniform(0.05, 0.95));
    label.push_back(draw.chance(0.3));
  }
  if (number % 2 == 1) probability.numbers[0] = 0, label[0] = 1;
  if (number % 4 == 2) label[1] = 255;
  Case c;
  c.what = number % 2 == 1   ? "a probability of 0 for what is there"
           : number % 4 == 2 ? "a label that is not known"
                             : "six labels";
  c.request = {{"op", std::string("loss")},
               {"probability", probability},
               {"label", label},
               {"weight", Array{{6}, {1, 1, 1, 1, 1, 2}}}};
  c.limit = {1e-9, 0, 1};
  return c;
}

std::vector<Question> questions_7(Draw& draw, bool handout) {
  const double in = handout ? 1536 : static_cast<double>(128 * draw.integer(2, 12)),
               hidden = handout ? 256 : static_cast<double>(64 * draw.integer(1, 6));
  const auto layer = [&](double features) { return 4 * hidden * (features + hidden + 1); };
  const double one = layer(in), all = 2 * layer(in) + 2 * layer(2 * hidden) + 6 * 2 * hidden + 6;
  const double x = handout ? 1 : static_cast<double>(draw.integer(-4, 4)) / 2,
               h = handout ? 0.5 : static_cast<double>(draw.integer(-3, 3)) / 4,
               c = handout ? -0.2 : static_cast<double>(draw.integer(-5, 5)) / 5;
  const auto logistic = [](double v) { return 1 / (1 + std::exp(-v)); };
  const auto step = [&](double forget) {
    const double z = 0.5 * x + 0.5 * h, next = logistic(z + forget) * c + logistic(z) * std::tanh(z);
    return std::vector<double>{next, logistic(z) * std::tanh(next)};
  };
  const std::vector<double> p =
      handout ? std::vector<double>{0.01, 0.02, 0.7, 0.05, 0.1, 0.8} : draw.array({6}, 0.05, 0.95).numbers;
  std::vector<double> rounded;
  std::string listed;
  for (const double v : p) {
    rounded.push_back(std::round(100 * v) / 100);
    listed += (listed.empty() ? "" : ", ") + std::to_string(rounded.back()).substr(0, 4);
  }
  const double truth[] = {0, 0, 1, 0, 0, 1};
  double sum = 0, alike = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    const double l = -std::log(truth[i] == 1 ? rounded[i] : 1 - rounded[i]);
    sum += (i == 5 ? 2 : 1) * l, alike += l;
  }
  const auto number = [](double v) {
    std::string s = std::to_string(v);
    while (s.back() == '0') s.pop_back();
    if (s.back() == '.') s.pop_back();
    return s;
  };
  return {{"q1",
           "Parameters of an LSTM from " + number(in) + " to " + number(hidden) +
               ", one direction, one bias a gate.",
           {one},
           true,
           {{{one + 4 * hidden}, "There is one bias a gate here, not two."},
            {{one / 4}, "There are four gates."}}},
          {"q2",
           "Parameters of two such layers in two directions, and a linear layer to six outputs behind them.",
           {all},
           true,
           {{{2 * layer(in) + 2 * layer(hidden) + 6 * 2 * hidden + 6},
             "The second layer reads both directions of the first."}}},
          {"q3",
           "All weights 0.5, biases 0, forget bias 1, x = " + number(x) + ", h = " + number(h) +
               ", c = " + number(c) + ": c and h after the step.",
           step(1),
           false,
           {{step(0), "The forget bias is missing."}}},
          {"q4",
           "The weighted log loss of the probabilities (" + listed +
               ") with the labels (0, 0, 1, 0, 0, 1); the last is `any`.",
           {sum / 7},
           false,
           {{{alike / 6}, "`any` weighs 2 of 7."}, {{sum}, "Divide by the sum of the weights."}}}};
}

}  // namespace

Assignment assignment_7() {
  Assignment a;
  a.number = 7;
  a.title = "An LSTM over slices";
  const auto task = [&](const char* id, const char* title, double points, Case (*f)(int, Draw&)) {
    a.tasks.push_back(
        {.id = id, .title = title, .points = points, .cut = id, .publics = 6, .hiddens = 12, .draw = f});
  };
  task("6B.1", "one step", 16, draw_step);
  task("6B.2", "back through time", 24, draw_through_time);
  task("6B.3", "lengths and masks", 14, draw_lengths);
  task("6B.4", "two directions", 8, draw_sides);
  task("6B.5", "the order of slices", 10, draw_series);
  task("6B.6", "the weighted log loss", 8, draw_loss);
  a.tasks.push_back(neighbours_demonstration());
  a.questions = questions_7;
  return a;
}

}  // namespace gadolin::course
