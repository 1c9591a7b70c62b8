// The four questions of assignment 2.
#include <cmath>

#include "course/2/cases.h"

namespace gadolin::course {
namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// Two digits behind the point, so that the sheet can say them.
double two_digits(Draw& draw, double low, double high) {
  return std::round(100 * draw.uniform(low, high)) / 100;
}

std::string short_text(double x) { return to_string(Value(x)); }

}  // namespace

std::vector<Question> tape_questions(Draw& draw, bool handout) {
  const auto drawn = [&](double fixed, double low, double high) {
    const double x = two_digits(draw, low, high);
    return handout ? fixed : x;
  };
  std::vector<Question> out;

  const double x = drawn(1.5, 1.1, 1.9), y = drawn(-2, -2.5, -1.1), s = logistic(x * y), slope = s * (1 - s);
  out.push_back(
      {"q1",
       "L = s(x y) + x^2 y at x = " + short_text(x) + ", y = " + short_text(y) +
           ", s the logistic function: dL/dx and dL/dy (two numbers).",
       {slope * y + 2 * x * y, slope * x + x * x},
       false,
       {{{slope * y, slope * x + x * x}, "x is used in two places and gradients add."},
        {{slope + 2 * x * y, slope + x * x}, "s(x y) passes its gradient to x times y, and to y times x."}}});

  const double at = drawn(2, 1.2, 2.8);
  out.push_back({"q2",
                 "The second derivative of x^3 ln x at " + short_text(at) + ".",
                 {6 * at * std::log(at) + 5 * at},
                 false,
                 {{{3 * at * at * std::log(at) + at * at}, "This is the first derivative."}}});

  const double point = drawn(1, 0.5, 1.5), h = 0.01, e = std::exp(point);
  const double one_sided = (std::exp(point + h) - e) / h - e,
               central = (std::exp(point + h) - std::exp(point - h)) / (2 * h) - e;
  out.push_back({"q3",
                 "f = exp at " + short_text(point) +
                     ", h = 0.01: by how much does the one-sided difference err, by how much the central "
                     "one? And the best h in fp64 "
                     "by (3 eps)^(1/3), eps = 2^-53 (three numbers).",
                 {one_sided, central, std::cbrt(3 * 0x1p-53)},
                 false,
                 {{{one_sided, central, std::cbrt(3 * 0x1p-52)},
                   "eps is the rounding error, 2^-53: half the distance of two numbers."}}});

  const double z[3] = {drawn(1, 0.5, 1.5), drawn(2, 1.6, 2.4), drawn(3, 2.5, 3.5)};
  const double sum = std::exp(z[0]) + std::exp(z[1]) + std::exp(z[2]);
  double p[3];
  for (int i = 0; i < 3; ++i) p[i] = std::exp(z[i]) / sum;
  out.push_back({"q4",
                 "Softmax of (" + short_text(z[0]) + ", " + short_text(z[1]) + ", " + short_text(z[2]) +
                     ") with dy = (1, 0, 0): the three numbers of dx, and the sum of dx's sizes with dy = "
                     "(1, 1, 1) (four numbers).",
                 {p[0] * (1 - p[0]), -p[0] * p[1], -p[0] * p[2], 0},
                 false,
                 {{{p[0], 0, 0, 0}, "Every output depends on every input: dx = y (dy - sum y dy)."}}});
  return out;
}

}  // namespace gadolin::course
