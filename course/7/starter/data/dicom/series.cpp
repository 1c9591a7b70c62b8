// Projection of slice positions on the normal of their plane (PS3.3 C.7.6.2.1.1).
#include "course/todo.h"
#include "data/dicom/series.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/check.h"

// yours: includes and helpers may stand here
// end of yours

namespace gadolin {
namespace {

using Vec = std::array<double, 3>;
double dot(const Vec& a, const Vec& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
Vec minus(const Vec& a, const Vec& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
double length(const Vec& a) { return std::sqrt(dot(a, a)); }

Vec normal_of(const std::array<double, 6>& o) {
  course::todo("6B.5", "normal_of");
}

std::string mm(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f mm", v);
  return text;
}

void describe(const std::vector<SlicePlace>& slices, SeriesOrder& s) {
  std::vector<double> gaps;
  for (std::size_t i = 1; i < s.positions.size(); ++i) gaps.push_back(s.positions[i] - s.positions[i - 1]);
  std::vector<double> sorted = gaps;
  std::sort(sorted.begin(), sorted.end());
  s.spacing = sorted[sorted.size() / 2];
  s.least_spacing = sorted.front();
  s.most_spacing = sorted.back();
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const std::string between = cat("between slices ", i + 1, " and ", i + 2, " of ", s.positions.size());
    if (gaps[i] < 0.01)
      s.problems.push_back("two slices at one position " + between);
    else if (gaps[i] > 1.5 * s.spacing)
      s.problems.push_back("a gap of " + mm(gaps[i]) + " " + between + ", most are " + mm(s.spacing) +
                           " apart");
    else if (std::abs(gaps[i] - s.spacing) > 0.1 * s.spacing)
      s.problems.push_back("a distance of " + mm(gaps[i]) + " " + between + ", most are " + mm(s.spacing) +
                           " apart");
  }
  const Vec line = minus(slices[s.order[s.positions.size() - 1]].position, slices[s.order[0]].position);
  const double l = length(line);
  if (l > 1e-6)
    s.shear =
        std::acos(std::clamp(std::abs(dot(line, s.normal)) / l, 0.0, 1.0)) * 180 / 3.14159265358979323846;
}

}  // namespace

SlicePlace slice_place(const DicomFile& file) {
  SlicePlace p;
  p.path = file.name();
  p.series = file.text(dicom::series_instance);
  const std::vector<double> at = file.numbers(dicom::image_position),
                            o = file.numbers(dicom::image_orientation);
  const auto whole = [](const std::vector<double>& v, std::size_t n) {
    return v.size() == n && std::none_of(v.begin(), v.end(), [](double x) { return std::isnan(x); });
  };
  p.placed = whole(at, 3) && whole(o, 6);
  if (whole(at, 3)) std::copy(at.begin(), at.end(), p.position.begin());
  if (whole(o, 6)) std::copy(o.begin(), o.end(), p.orientation.begin());
  p.instance = file.integer(dicom::instance_number, 0);
  p.tilt = file.number(dicom::gantry_tilt).value_or(0);
  return p;
}

SeriesOrder order_series(const std::vector<SlicePlace>& slices) {
  SeriesOrder s;
  if (slices.empty()) return s;
  s.order.resize(slices.size());
  std::iota(s.order.begin(), s.order.end(), std::size_t{0});
  s.tilt = slices[0].tilt;
  const auto first = std::find_if(slices.begin(), slices.end(), [](const SlicePlace& p) { return p.placed; });
  if (first != slices.end()) s.normal = normal_of(first->orientation);
  std::size_t turned = 0, lost = 0;
  for (const SlicePlace& p : slices) {
    lost += !p.placed;
    turned += p.placed && std::abs(dot(normal_of(p.orientation), s.normal)) < 0.9999;
  }
  course::todo("6B.5", "order_series");
  if (lost > 0) s.problems.push_back(cat(lost, " of ", slices.size(), " slices have no position"));
  if (turned > 0)
    s.problems.push_back(cat(turned, " of ", slices.size(), " slices lie in another plane than the first"));
  if (s.positions.size() > 1) describe(slices, s);
  return s;
}

}  // namespace gadolin
