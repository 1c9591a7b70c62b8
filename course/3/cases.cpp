// Tasks, cases and questions of assignment 3.
#include <cmath>

#include "course/3/cases_digits.h"
#include "course/grader/assignment.h"

namespace gadolin::course {
namespace {

using Sizes = std::vector<std::int64_t>;

// --- 3.1 ---------------------------------------------------------------------------------------------------

Case draw_linear(int number, Draw& draw) {
  static const char* const kinds[] = {" x ", " weight ", " bias "};
  static const char* const words[] = {"dx", "dW", "db"};
  const bool relu = number / 3 % 2 == 1;
  const std::int64_t rows = draw.integer(2, 6), in = draw.integer(2, 6),
                     out = draw.chance(0.3) ? in : draw.integer(2, 6);
  Case c;
  c.what = std::string(words[number % 3]) + (relu ? ", relu" : "");
  c.request = {
      {"op", std::string("linear")}, {"dtype", std::string("fp64")}, {"of", std::string(kinds[number % 3])},
      {"relu", std::int64_t{relu}},  {"x", draw.array({rows, in})},  {"weight", draw.array({out, in})},
      {"bias", draw.array({out})},   {"dy", draw.array({rows, out})}};
  c.limit = {1e-9, 0, 1};
  if (in != out) c.traits.push_back("weight is not square");
  return c;
}

// --- 3.2 ---------------------------------------------------------------------------------------------------

struct ConvSizes {
  std::int64_t n, c, h, w, k, r, s, groups = 1;
  Sizes stride{1, 1}, padding{0, 0}, dilation{1, 1};
  bool same = false;
};
Sizes result_of(const ConvSizes& z) {
  Sizes shape{z.n, z.k};
  for (std::size_t d = 0; d < 2; ++d) {
    const std::int64_t in = d == 0 ? z.h : z.w, filter = d == 0 ? z.r : z.s;
    const std::int64_t room = in + 2 * z.padding[d] - z.dilation[d] * (filter - 1) - 1;
    shape.push_back(z.same ? (in + z.stride[d] - 1) / z.stride[d] : room / z.stride[d] + 1);
  }
  return shape;
}
Case conv_case(const ConvSizes& z, Draw& draw, const char* of) {
  Case c;
  c.request = {{"op", std::string("conv")},
               {"dtype", std::string("fp64")},
               {"x", draw.array({z.n, z.c, z.h, z.w})},
               {"weight", draw.array({z.k, z.c / z.groups, z.r, z.s})},
               {"options", Sizes{z.stride[0], z.stride[1], z.padding[0], z.padding[1], z.dilation[0],
                                 z.dilation[1], z.groups, z.same}}};
  if (of) c.request["of"] = std::string(of), c.request["dy"] = draw.array(result_of(z));
  c.limit = {1e-9, 0, 1};
  if (z.groups > 1) c.traits.push_back("groups are more than one");
  if (z.stride != Sizes{1, 1}) c.traits.push_back("the stride is not 1");
  if (z.dilation != Sizes{1, 1}) c.traits.push_back("the dilation is not 1");
  if (z.padding != Sizes{0, 0}) c.traits.push_back("there is padding");
  if (z.h != z.w) c.traits.push_back("the image is not square");
  return c;
}

Case draw_extent(int number, Draw& draw) {
  ConvSizes z{1, 1, draw.integer(7, 12), draw.integer(7, 12), 1, draw.integer(2, 3), draw.integer(2, 3)};
  Case c;
  if (number % 3 == 0) {  // the last step is not whole
    z.stride = {2, 3};
    while ((z.h - z.r) % 2 == 0) ++z.h;
    while ((z.w - z.s) % 3 == 0) ++z.w;
    c = conv_case(z, draw, nullptr);
    c.what = "strides that do not divide";
    // With padding 0 a filter one pixel larger than the image.
    c.request["large"] = draw.array({1, 1, z.h + 1, 2});
  } else if (number % 3 == 1) {
    z.dilation = {draw.integer(2, 3), 2}, z.padding = {draw.integer(0, 1), 1},
    z.stride = {1, draw.integer(1, 2)};
    c = conv_case(z, draw, nullptr);
    c.what = "dilation";
  } else {
    z.same = true, z.r = 2, z.s = draw.chance(0.5) ? 4 : 2, z.stride = {1, draw.integer(1, 3)};
    c = conv_case(z, draw, nullptr);
    c.what = "same, odd padding";
    c.traits.push_back("`same` needs odd padding");
  }
  return c;
}

// Groups in every second case, strides that differ from dilations in most, windows that overlap in all.
ConvSizes any_conv(int number, Draw& draw) {
  ConvSizes z{};
  z.groups = number % 2 == 1 ? draw.integer(2, 3) : 1;
  z.n = draw.integer(2, 3), z.c = z.groups * draw.integer(1, 2), z.k = z.groups * draw.integer(1, 2);
  z.h = draw.integer(6, 8), z.w = number % 4 == 0 ? z.h : z.h + draw.integer(1, 3);
  z.r = draw.integer(2, 3), z.s = 3;
  z.stride = number % 3 == 0 ? Sizes{1, 1} : Sizes{draw.integer(1, 2), 2};
  z.padding = number % 3 == 1 ? Sizes{0, 0} : Sizes{draw.integer(1, 2), 1};
  if (number % 6 == 2) z.dilation = {2, 1};
  return z;
}
Case draw_forward(int number, Draw& draw) {
  Case c = conv_case(any_conv(number, draw), draw, nullptr);
  c.what = "forward";
  return c;
}
Case draw_data_gradient(int number, Draw& draw) {
  Case c = conv_case(any_conv(number, draw), draw, " x ");
  c.what = "dx";
  return c;
}
Case draw_filter_gradient(int number, Draw& draw) {
  Case c = conv_case(any_conv(number, draw), draw, " weight ");
  c.what = "dW";
  return c;
}

// --- 3.3 ---------------------------------------------------------------------------------------------------

Values norm_request(Draw& draw, bool training, double mean, double deviation, const std::string& type) {
  const std::int64_t c = draw.integer(2, 4);
  const Sizes shape{draw.integer(2, 4), c, draw.integer(2, 3), draw.integer(2, 3)};
  return {{"op", std::string("norm")},
          {"dtype", type},
          {"training", std::int64_t{training}},
          {"momentum", draw.uniform(0.05, 0.3)},
          {"eps", draw.uniform(1e-3, 1e-2)},
          {"x", draw.array(shape, mean - 2 * deviation, mean + 2 * deviation)},
          {"weight", draw.array({c}, 0.5, 1.5)},
          {"bias", draw.array({c})},
          {"mean", draw.array({c}, -0.5, 0.5)},
          {"variance", draw.array({c}, 0.5, 2)}};
}
Case draw_statistics(int number, Draw& draw) {
  Case c;
  if (number % 3 == 0) {
    c.what = "training, result and running statistics";
    c.request = norm_request(draw, true, draw.uniform(-1, 1), 1, "fp64");
    c.limit = {1e-9, 0, 1};
  } else if (number % 3 == 1) {
    c.what = "training, mean 1,000";
    c.request = norm_request(draw, true, 1000, 0.25, "fp32");
    c.limit = {2e-3, 0, 1};
    c.traits = {"the mean is large beside the deviation"};
  } else {
    c.what = "evaluation";
    c.request = norm_request(draw, false, draw.uniform(-1, 1), 1, "fp64");
    c.limit = {1e-9, 0, 1};
    c.traits = {"the net is evaluated, not trained"};
  }
  return c;
}
Case draw_norm_gradient(int number, Draw& draw) {
  static const char* const words[] = {"training, dx", "training, dweight and dbias", "evaluation, dx"};
  Case c;
  c.what = words[number % 3];
  c.request = norm_request(draw, number % 3 != 2, draw.uniform(-1, 1), 1, "fp64");
  c.request["of"] = std::string(number % 3 == 1 ? " weight bias " : " x ");
  c.request["dy"] = draw.array(array(c.request, "x").shape, -1, 2);  // whose mean is not 0
  c.limit = {1e-9, 0, 1};
  if (number % 3 == 2) c.traits = {"the net is evaluated, not trained"};
  return c;
}

// --- 3.4 ---------------------------------------------------------------------------------------------------

Case step_case(Draw& draw, const std::string& rule, double gradient) {
  const std::int64_t n = draw.integer(3, 6);
  Case c;
  c.request = {{"op", std::string("steps")},
               {"dtype", std::string("fp64")},
               {"rule", rule},
               {"lr", draw.uniform(0.01, 0.1)},
               {"decay", 0.0},
               {"eps", draw.uniform(1e-3, 1e-2)},
               {"clip", 0.0},
               {"scale", 1.0},
               {"momentum", draw.uniform(0.5, 0.9)},
               {"w", draw.array({n})},
               {"gradients", draw.array({5, n}, -gradient, gradient)}};
  c.limit = {1e-9, 0, 1};
  return c;
}
Case draw_rule(int number, Draw& draw) {
  static const char* const rules[] = {"sgd", "adam", "adamw"};
  static const char* const words[] = {"sgd, plain and nesterov", "Adam", "AdamW"};
  Case c = step_case(draw, rules[number % 3], 1);
  c.what = words[number % 3];
  if (number % 3 == 2 || number / 3 % 2 == 1) {
    c.request["decay"] = draw.uniform(0.05, 0.5);
    c.what += ", with weight decay";
    c.traits = {"weights decay"};
  }
  return c;
}
Case draw_clipping(int number, Draw& draw) {
  Case c = step_case(draw, "sgd", 1);
  if (number % 3 == 0) {
    c.request["clip"] = 10.0;
    c.what = "below the largest norm";
    c.traits = {"the norm is below the limit"};
  } else {
    c.request["clip"] = draw.uniform(0.05, 0.2);
    c.what = "above the largest norm";
    c.traits = {"the norm is above the limit"};
  }
  if (number % 3 == 2) {
    c.request["scale"] = 8.0;
    c.what += ", with a loss scale";
    c.traits.push_back("there is a loss scale");
  }
  return c;
}

// --- questions ---------------------------------------------------------------------------------------------

using Numbers = std::vector<double>;

Numbers norm_of(const Numbers& x, const Numbers& dy) {  // y of the last, running numbers, then dx
  const double n = static_cast<double>(x.size());
  double mean = 0, variance = 0, g = 0, gx = 0;
  for (const double v : x) mean += v / n;
  for (const double v : x) variance += (v - mean) * (v - mean) / n;
  const double r = 1 / std::sqrt(variance + 1e-5);
  for (std::size_t i = 0; i < x.size(); ++i) g += dy[i] / n, gx += dy[i] * (x[i] - mean) * r / n;
  Numbers all{(x.back() - mean) * r, 0.1 * mean, 0.9 + 0.1 * variance * n / (n - 1)};
  for (std::size_t i = 0; i < x.size(); ++i) all.push_back(r * (dy[i] - g - (x[i] - mean) * r * gx));
  return all;
}
Numbers adam_of(const Numbers& gradients, bool corrected) {
  double w = 0, m = 0, v = 0, t = 0;
  Numbers all;
  for (const double g : gradients) {
    t += 1, m = 0.9 * m + 0.1 * g, v = 0.999 * v + 0.001 * g * g;
    const double by_m = corrected ? 1 - std::pow(0.9, t) : 1, by_v = corrected ? 1 - std::pow(0.999, t) : 1;
    w -= 1e-3 * (m / by_m) / (std::sqrt(v / by_v) + 1e-8);
    all.push_back(w);
  }
  return all;
}
std::string listed(const Numbers& x) {
  std::string s;
  for (const double v : x) {
    std::string one = std::to_string(v);
    while (one.back() == '0') one.pop_back();
    if (one.back() == '.') one.pop_back();
    s += (s.empty() ? "" : ", ") + one;
  }
  return s;
}

std::vector<Question> questions(Draw& draw, bool handout) {
  const std::int64_t size = handout ? 28 : draw.integer(20, 40),
                     filter = handout ? 5 : 2 * draw.integer(1, 3) + 1,
                     stride = handout ? 2 : draw.integer(2, 3), padding = filter / 2,
                     out = handout ? 8 : draw.integer(4, 12);
  const double p = std::floor(static_cast<double>(size + 2 * padding - filter) /
                              static_cast<double>(stride)) +
                   1,
               k = static_cast<double>(out), area = static_cast<double>(filter * filter);
  Numbers x{1, 2, 3, 6}, g{0.02, -0.04, 0.02};
  if (!handout) {
    for (double& v : x) v = static_cast<double>(draw.integer(-4, 4));
    x.back() = 7;
    for (double& v : g) v = static_cast<double>(draw.integer(1, 5)) * (draw.chance(0.5) ? 0.01 : -0.01);
  }
  const Numbers norm = norm_of(x, {1, 0, 0, 0}), adam = adam_of(g, true), plain = adam_of(g, false);
  const Numbers first(norm.begin(), norm.begin() + 3), dx(norm.begin() + 3, norm.end());
  const double mean = first[1] / 0.1, unbiased = (first[2] - 0.9) / 0.1;
  Numbers biased = first, alone = dx;
  biased[2] = 0.9 + 0.1 * unbiased * 3 / 4;
  const double r = 1 / std::sqrt(unbiased * 3 / 4 + 1e-5);
  alone = {r, 0, 0, 0};
  Numbers swapped{0.9 * mean, 0.1 + 0.9 * unbiased};
  swapped.insert(swapped.begin(), first[0]);
  return {{"q1",
           "An image of " + std::to_string(size) + " x " + std::to_string(size) +
               " with one channel, filter " + std::to_string(filter) + " x " + std::to_string(filter) +
               ", stride " + std::to_string(stride) + ", padding " + std::to_string(padding) + ", " +
               std::to_string(out) + " filters with bias: P, parameters, multiply-adds.",
           {p, k * (area + 1), p * p * k * area},
           true,
           {{{p, k * area, p * p * k * area}, "Each filter has a bias of its own."}}},
          {"q2",
           "Batch norm of (" + listed(x) +
               "), weight 1, bias 0, eps 1e-5, running mean 0 and variance 1, momentum "
               "0.1: y of the last, running mean, running variance.",
           first,
           false,
           {{biased, "The running variance moves by the unbiased variance, over n - 1."},
            {swapped, "Momentum is the weight of the new number: running = 0.9 running + 0.1 batch."}}},
          {"q3",
           "The same batch, dy = (1, 0, 0, 0): the four numbers of dx.",
           dx,
           false,
           {{alone, "In training every x moves the mean and the variance: two terms are missing."}}},
          {"q4",
           "Adam from w = 0 with the gradients " + listed(g) +
               ", rate 0.001, betas 0.9 and 0.999, eps 1e-8: w after "
               "each step.",
           adam,
           false,
           {{plain, "Divide m by 1 - beta1^t and v by 1 - beta2^t."}}}};
}

}  // namespace

Assignment assignment_3() {
  Assignment a;
  a.number = 3;
  a.title = "Layers and optimisers";
  const auto task = [&](const char* id, const char* title, double points, int publics, int hiddens,
                        Case (*f)(int, Draw&)) {
    a.tasks.push_back({.id = id,
                       .title = title,
                       .points = points,
                       .cut = id,
                       .publics = publics,
                       .hiddens = hiddens,
                       .draw = f});
  };
  task("3.1", "the gradient of linear", 8, 6, 12, draw_linear);
  task("3.2a", "the size of a convolution", 5, 6, 12, draw_extent);
  task("3.2b", "columns", 9, 12, 24, draw_forward);
  task("3.2c", "the gradient in x", 7, 12, 24, draw_data_gradient);
  task("3.2d", "the gradient in the filters", 7, 12, 24, draw_filter_gradient);
  task("3.3a", "statistics of a batch", 10, 6, 12, draw_statistics);
  task("3.3b", "the gradient of batch norm", 14, 6, 12, draw_norm_gradient);
  task("3.4a", "sgd, Adam, AdamW", 12, 6, 12, draw_rule);
  task("3.4b", "clipping and bias corrections", 8, 6, 12, draw_clipping);
  a.tasks.push_back(digits_demonstration());
  a.questions = questions;
  return a;
}

}  // namespace gadolin::course
