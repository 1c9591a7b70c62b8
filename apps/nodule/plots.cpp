#include "apps/nodule/plots.h"

#include <algorithm>
#include <cmath>

#include "io/text.h"
#include "tasks/draw_text.h"

namespace gadolin::nodule {
namespace {

constexpr Colour white{1, 1, 1}, black{0, 0, 0}, grey{0.8, 0.8, 0.8};
constexpr int dot = 2, line_height = text_height(dot) + 4;

Image blank(int width, int height) {
  Image picture(width, height, 3);
  fill_box(picture, {0, 0, width, height}, white);
  return picture;
}

void centred(Image& picture, int x, int y, const std::string& text, int width, const Colour& ink) {
  const std::string shown = shortened(text, width, dot);
  draw_text(picture, x - text_width(shown, dot) / 2, y, shown, ink, dot);
}

void straight(Image& picture, double x0, double y0, double x1, double y1, const Colour& colour, int thick) {
  const int steps = std::max(1, static_cast<int>(std::ceil(std::max(std::abs(x1 - x0), std::abs(y1 - y0)))));
  for (int i = 0; i <= steps; ++i) {
    const double t = static_cast<double>(i) / steps;
    fill_box(picture,
             {static_cast<int>(std::lround(x0 + t * (x1 - x0))) - thick / 2,
              static_cast<int>(std::lround(y0 + t * (y1 - y0))) - thick / 2, thick, thick},
             colour);
  }
}

// 1, 2 or 5 times a power of ten, so that about `count` of them cover the range.
double step_of(double range, int count) {
  const double raw = range / count, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power) return factor * power;
  return 10 * power;
}

// With as many digits as the step has.
std::string number_at(double v, double step) {
  return fixed(v, std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9))));
}

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double v) {
    if (!std::isfinite(v)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  // So wide that neighbouring ticks are different numbers.
  void settle() {
    if (!(low <= high)) low = 0, high = 1;
    const double unit = std::max(1.0, std::abs(low));
    if (!(high - low > 1e-9 * unit)) low -= 0.5 * unit, high += 0.5 * unit;
  }
};

}  // namespace

Image confusion_picture(const ConfusionMatrix& matrix, const std::vector<std::string>& classes) {
  const int n = static_cast<int>(matrix.classes()), cell = std::max(60, std::min(140, 840 / n)), left = 180,
            top = 3 * line_height + 10;
  Image picture = blank(left + n * cell + 20, top + n * cell + 20);
  centred(picture, left + n * cell / 2, 6, "predicted", n * cell, black);
  draw_text(picture, 8, top - line_height, "truth", black, dot);
  for (int t = 0; t < n; ++t) {
    const std::string& name = classes[static_cast<std::size_t>(t)];
    centred(picture, left + t * cell + cell / 2, top - line_height - 4, name, cell - 6, black);
    const std::string shown = shortened(name, left - 20, dot);
    draw_text(picture, left - 10 - text_width(shown, dot), top + t * cell + cell / 2 - text_height(dot) / 2,
              shown, black, dot);
    for (int p = 0; p < n; ++p) {
      const double share = matrix.of_target(t) > 0 ? matrix.at(t, p) / matrix.of_target(t) : 0;
      const Colour fill{1 - 0.9 * share, 1 - 0.65 * share, 1 - 0.35 * share};
      fill_box(picture, {left + p * cell + 1, top + t * cell + 1, cell - 2, cell - 2}, fill);
      const int x = left + p * cell + cell / 2, y = top + t * cell + cell / 2;
      centred(picture, x, y - line_height, exact_text(matrix.at(t, p)), cell - 6, ink_on(fill));
      centred(picture, x, y + 2, fixed(100 * share, 1) + " %", cell - 6, ink_on(fill));
    }
  }
  return picture;
}

Image curve_picture(const std::vector<Curve>& curves, const Axes& axes) {
  constexpr int left = 110, top = 40, wide = 620, high = 420;
  const int names = static_cast<int>(curves.size()) * line_height;
  Image picture = blank(left + wide + 30, top + high + 3 * line_height + names);
  Range xs, ys;
  for (const Curve& curve : curves)
    for (std::size_t i = 0; i < curve.x.size(); ++i)
      if (std::isfinite(curve.y[i])) xs.add(curve.x[i]), ys.add(curve.y[i]);
  if (axes.unit_square) xs = ys = {0, 1};
  xs.settle();
  ys.settle();
  const auto px = [&](double x) { return left + wide * (x - xs.low) / (xs.high - xs.low); };
  const auto py = [&](double y) { return top + high * (ys.high - y) / (ys.high - ys.low); };
  centred(picture, left + wide / 2, 8, axes.title, wide, black);
  const double x_step = step_of(xs.high - xs.low, 6), y_step = step_of(ys.high - ys.low, 6);
  for (double v = std::ceil(xs.low / x_step) * x_step; v <= xs.high + 1e-9 * x_step; v += x_step) {
    straight(picture, px(v), top, px(v), top + high, grey, 1);
    centred(picture, static_cast<int>(px(v)), top + high + 8, number_at(v, x_step), 90, black);
  }
  for (double v = std::ceil(ys.low / y_step) * y_step; v <= ys.high + 1e-9 * y_step; v += y_step) {
    straight(picture, left, py(v), left + wide, py(v), grey, 1);
    const std::string number = number_at(v, y_step);
    draw_text(picture, left - 10 - text_width(number, dot), static_cast<int>(py(v)) - text_height(dot) / 2,
              number, black, dot);
  }
  if (axes.diagonal) straight(picture, px(0), py(0), px(1), py(1), grey, 2);
  for (std::size_t c = 0; c < curves.size(); ++c) {
    const Colour colour = class_colour(static_cast<int>(c));
    const Curve& curve = curves[c];
    for (std::size_t i = 1; i < curve.x.size(); ++i)
      if (std::isfinite(curve.y[i - 1]) && std::isfinite(curve.y[i]))
        straight(picture, px(curve.x[i - 1]), py(curve.y[i - 1]), px(curve.x[i]), py(curve.y[i]), colour, 3);
    for (std::size_t i = 0; i < curve.x.size() && curve.x.size() < 60; ++i)
      if (std::isfinite(curve.y[i]))
        fill_box(picture, {static_cast<int>(px(curve.x[i])) - 3, static_cast<int>(py(curve.y[i])) - 3, 7, 7},
                 colour);
    const int y = top + high + 2 * line_height + static_cast<int>(c) * line_height + 4;
    fill_box(picture, {left, y + 4, 40, 6}, colour);
    draw_text(picture, left + 52, y, shortened(curve.name, wide - 60, dot), black, dot);
  }
  centred(picture, left + wide / 2, top + high + line_height + 8, axes.x, wide, black);
  draw_text(picture, 8, 8, shortened(axes.y, left + 60, dot), black, dot);
  straight(picture, left, top, left, top + high, black, 2);
  straight(picture, left, top + high, left + wide, top + high, black, 2);
  return picture;
}

}  // namespace gadolin::nodule
