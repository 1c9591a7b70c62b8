#include "course/6/cases_lesions.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace gadolin::course {
namespace {

constexpr std::int64_t lesion_side = 64, lesion_pixels = lesion_side * lesion_side, most_lesions = 2;

struct Lesion {
  double kind, x1, y1, x2, y2;
};
struct Film {
  std::vector<double> pixels;
  std::vector<Lesion> lesions;
};

// Tissue is a slow wave with noise. A mass is a soft disc, a cluster a few bright dots.
Film make_film(Draw& draw) {
  Film film;
  const double fx = draw.uniform(0.05, 0.15), fy = draw.uniform(0.05, 0.15), phase = draw.uniform(0, 6);
  for (std::int64_t y = 0; y < lesion_side; ++y)
    for (std::int64_t x = 0; x < lesion_side; ++x)
      film.pixels.push_back(0.3 *
                                std::sin(fx * static_cast<double>(x) + fy * static_cast<double>(y) + phase) +
                            draw.uniform(-0.3, 0.3));
  const auto add = [&](double x, double y, double radius, double height) {
    for (std::int64_t i = 0; i < lesion_pixels; ++i) {
      const double dx = static_cast<double>(i % lesion_side) + 0.5 - x,
                   dy = static_cast<double>(i / lesion_side) + 0.5 - y;
      const double d = std::sqrt(dx * dx + dy * dy) / radius;
      if (d < 1) film.pixels[static_cast<std::size_t>(i)] += height * (1 - d * d);
    }
  };
  const std::int64_t count = draw.integer(0, most_lesions);
  for (std::int64_t k = 0; k < count; ++k) {
    const double half = draw.uniform(5, 9), middle_y = draw.uniform(10, 54),
                 middle_x = k == 0 ? draw.uniform(10, 22) : draw.uniform(42, 54);  // lesions lie apart
    const bool mass = draw.chance(0.5);
    if (mass) {
      add(middle_x, middle_y, half, 2);
    } else {
      for (int dot = 0; dot < 8; ++dot)
        add(middle_x + half * draw.uniform(-0.85, 0.85), middle_y + half * draw.uniform(-0.85, 0.85), 1.6, 3);
    }
    film.lesions.push_back(
        {mass ? 0.0 : 1.0, middle_x - half, middle_y - half, middle_x + half, middle_y + half});
  }
  return film;
}

// What lies in the pictures that a request holds back.
std::map<std::vector<double>, std::vector<std::vector<Lesion>>>& held_back_lesions() {
  static std::map<std::vector<double>, std::vector<std::vector<Lesion>>> known;
  return known;
}

Case draw_lesions(int, Draw& draw) {
  Case c;
  c.what = "a detector of lesions";
  c.request = {{"op", std::string("lesions")}, {"steps", std::int64_t{260}}};
  const auto pictures = [&](std::int64_t n, std::vector<std::vector<Lesion>>& lesions) {
    Array x{{n, 1, lesion_side, lesion_side}, {}};
    for (std::int64_t i = 0; i < n; ++i) {
      const Film film = make_film(draw);
      x.numbers.insert(x.numbers.end(), film.pixels.begin(), film.pixels.end());
      lesions.push_back(film.lesions);
    }
    return x;
  };
  std::vector<std::vector<Lesion>> learnt, held;
  c.request["train"] = pictures(200, learnt);
  Array boxes{{200, most_lesions, 4}, {}}, label{{200, most_lesions}, {}}, count{{200}, {}};
  for (std::vector<Lesion> lesions : learnt) {
    count.numbers.push_back(static_cast<double>(lesions.size()));
    lesions.resize(most_lesions);
    for (const Lesion& l : lesions) {
      boxes.numbers.insert(boxes.numbers.end(), {l.x1, l.y1, l.x2, l.y2});
      label.numbers.push_back(l.kind);
    }
  }
  const Array test = pictures(60, held);
  held_back_lesions()[test.numbers] = held;
  c.request["boxes"] = boxes, c.request["label"] = label, c.request["count"] = count,
  c.request["test"] = test;
  return c;
}

double overlap(const Lesion& a, const Lesion& b) {
  const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
               h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (!(w > 0 && h > 0)) return 0;
  return w * h / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - w * h);
}

// The share of lesions found, an overlap of 0.3 with the right class, at one false positive a picture.
double sensitivity(const Array& found, const std::vector<std::vector<Lesion>>& lesions) {
  struct Detection {
    std::size_t picture;
    double score;
    Lesion box;
  };
  std::vector<Detection> all;
  for (std::size_t i = 0; i + 7 <= found.numbers.size(); i += 7) {
    const double* f = found.numbers.data() + i;
    if (!(f[0] >= 0 && f[0] < static_cast<double>(lesions.size()) && f[2] >= 0)) continue;
    all.push_back({static_cast<std::size_t>(f[0]), f[2], {f[1], f[3], f[4], f[5], f[6]}});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  std::vector<std::vector<bool>> hit;
  double total = 0, hits = 0, wrong = 0;
  for (const auto& l : lesions) hit.emplace_back(l.size(), false), total += static_cast<double>(l.size());
  for (const Detection& d : all) {
    bool right = false;
    for (std::size_t k = 0; k < lesions[d.picture].size(); ++k) {
      const Lesion& l = lesions[d.picture][k];
      if (l.kind != d.box.kind || !(overlap(l, d.box) >= 0.3)) continue;
      right = true;
      if (!hit[d.picture][k]) hit[d.picture][k] = true, hits += 1;
    }
    if (!right && ++wrong > static_cast<double>(lesions.size())) break;
  }
  return hits / total;
}

std::string compare_lesions(const Case& c, const Values& got, const Values&) {
  if (got.contains("error")) return text(got, "error");
  const double share =
      sensitivity(array(got, "found"), held_back_lesions().at(array(c.request, "test").numbers));
  if (share >= 0.8) return "";
  char line[80];
  std::snprintf(line, sizeof line, "%.0f of 100 lesions found at one false positive a picture, 80 are wanted",
                100 * share);
  return line;
}

}  // namespace

Task lesions_demonstration() {
  Task t;
  t.id = "6A.6";
  t.title = "a small detector";
  t.points = 8;
  t.cut = "*";
  t.publics = 1;
  t.hiddens = 1;
  t.draw = draw_lesions;
  t.want = [](const Values&) { return Values{}; };
  t.compare = compare_lesions;
  t.limits.cpu_seconds = 90, t.limits.wall_seconds = 120;
  return t;
}

}  // namespace gadolin::course
