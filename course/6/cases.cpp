// Tasks, cases and questions of assignment 6A.
#include <algorithm>
#include <array>
#include <cmath>

#include "course/6/cases_lesions.h"
#include "course/grader/assignment.h"

namespace gadolin::course {
namespace {

using BoxList = std::vector<std::array<double, 4>>;

Array boxes_of(const BoxList& boxes, std::vector<std::int64_t> shape = {}) {
  if (shape.empty()) shape = {static_cast<std::int64_t>(boxes.size()), 4};
  Array a{shape, {}};
  for (const auto& b : boxes) a.numbers.insert(a.numbers.end(), b.begin(), b.end());
  return a;
}
// Corners on whole pixels, sides even and at least 4, so that halves are exact.
std::array<double, 4> any_box(Draw& draw, std::int64_t side) {
  const std::int64_t w = 2 * draw.integer(2, 8), h = 2 * draw.integer(2, 8), x = draw.integer(0, side - w),
                     y = draw.integer(0, side - h);
  return {static_cast<double>(x), static_cast<double>(y), static_cast<double>(x + w),
          static_cast<double>(y + h)};
}
std::array<double, 4> moved(const std::array<double, 4>& b, Draw& draw, double far) {
  const double dx = draw.uniform(-far, far), dy = draw.uniform(-far, far), dw = draw.uniform(-far, far),
               dh = draw.uniform(-far, far);
  return {b[0] + dx, b[1] + dy, b[2] + dx + dw, b[3] + dy + dh};
}

Case draw_focal(int number, Draw& draw) {
  static const char* const words[] = {"loss", "gradient", "large logits"};
  const int kind = number % 3;
  const std::int64_t n = draw.integer(3, 5), k = draw.integer(2, 4);
  Case c;
  c.what = words[kind];
  Array target{{n, k}, {}};
  for (std::int64_t i = 0; i < n * k; ++i)
    target.numbers.push_back(i == 0 ? 1 : i == 1 ? 0 : draw.chance(0.3) ? 1 : 0);
  Array logits = draw.array({n, k}, -4, 4);
  if (kind == 2) logits.numbers[0] = -draw.uniform(120, 200), logits.numbers[1] = draw.uniform(120, 200);
  c.request = {{"op", std::string("focal")},
               {"dtype", std::string(kind == 2 ? "fp32" : "fp64")},
               {"of", std::string(kind == 1 ? "gradient" : "loss")},
               {"logits", logits},
               {"target", target},
               {"alpha", draw.uniform(0.1, 0.4)},
               {"gamma", draw.chance(0.5) ? 2.0 : draw.uniform(1.5, 3)}};
  c.limit = kind == 2 ? Limit{1e-4, 0, 1} : Limit{1e-9, 0, 1};
  if (kind == 2) c.traits = {"a logit is far from 0"};
  return c;
}

Case draw_anchors(int number, Draw& draw) {
  Case c;
  const std::int64_t levels = draw.integer(1, 2), h = draw.integer(2, 4),
                     w = number % 2 == 0 ? h : h + draw.integer(1, 2);
  Array sizes{{levels}, {}}, strides{{levels}, {}};
  std::vector<std::int64_t> grids;
  for (std::int64_t l = 0; l < levels; ++l) {
    sizes.numbers.push_back(static_cast<double>(draw.integer(8, 40)));
    strides.numbers.push_back(static_cast<double>(8 << l));
    grids.insert(grids.end(), {std::max<std::int64_t>(1, h >> l), std::max<std::int64_t>(1, w >> l)});
  }
  c.what = w == h ? "a square picture" : "a wide picture";
  c.request = {{"op", std::string("anchors")},
               {"sizes", sizes},
               {"strides", strides},
               {"ratios", Array{{3}, {0.5, 1, draw.uniform(1.5, 3)}}},
               {"scales", Array{{2}, {1, draw.uniform(1.2, 1.6)}}},
               {"grids", grids},
               {"picture", std::vector<std::int64_t>{8 * h, 8 * w}}};
  c.limit = {1e-5, 0, 1};
  return c;
}

Case draw_overlap(int, Draw& draw) {
  BoxList a, b;
  for (int i = 0; i < 4; ++i) a.push_back(any_box(draw, 40));
  for (const auto& box : a) b.push_back(moved(box, draw, 3));
  b.push_back({100, 100, 110, 120});  // apart from all of them, right and below
  b.push_back(a[0]);
  Case c;
  c.what = "boxes that overlap, lie apart, are equal";
  c.request = {{"op", std::string("overlap")}, {"a", boxes_of(a)}, {"b", boxes_of(b)}};
  c.limit = {1e-5, 0, 1};
  return c;
}

Case draw_match(int, Draw& draw) {
  const std::int64_t pictures = 2, most = 3;
  BoxList anchors, objects;
  Array label{{pictures, most}, {}}, count{{pictures}, {}}, size{{pictures, 2}, {}};
  for (std::int64_t n = 0; n < pictures; ++n) {
    const std::int64_t there = draw.integer(2, most);
    count.numbers.push_back(static_cast<double>(there));
    size.numbers.insert(size.numbers.end(), {60, 60});
    for (std::int64_t m = 0; m < most; ++m) {
      // The second object lies over the first, so that anchors overlap both.
      const auto box = m == 1 ? std::array<double, 4>{objects.back()[0] + 2, objects.back()[1] + 2,
                                                      objects.back()[2] + 2, objects.back()[3] + 2}
                              : any_box(draw, 40);
      objects.push_back(box);
      label.numbers.push_back(static_cast<double>(m));
      if (m >= there) continue;
      const double w = box[2] - box[0], h = box[3] - box[1];
      anchors.push_back(box);
      anchors.push_back({box[0], box[1], box[2], box[1] + h / 2});     // overlaps by a half
      anchors.push_back({box[0], box[1], box[0] + 0.45 * w, box[3]});  // between the limits
      anchors.push_back({box[0] + 0.1 * w, box[1], box[2], box[3] + 1});
    }
  }
  const BoxList given = anchors;
  anchors.clear();
  for (const std::int64_t i : draw.order(static_cast<std::int64_t>(given.size())))
    anchors.push_back(given[static_cast<std::size_t>(i)]);
  Case c;
  c.what = "anchors of two pictures";
  c.request = {{"op", std::string("match")},
               {"anchors", boxes_of(anchors)},
               {"boxes", boxes_of(objects, {pictures, most, 4})},
               {"label", label},
               {"count", count},
               {"size", size},
               {"object", 0.5},
               {"background", 0.4}};
  c.limit = {1e-4, 0, 1};
  return c;
}

Case draw_coder(int, Draw& draw) {
  BoxList anchors, boxes;
  for (int i = 0; i < 4; ++i)
    anchors.push_back(any_box(draw, 60)), boxes.push_back(moved(anchors.back(), draw, 3));
  Case c;
  c.what = "encoding and decoding";
  c.request = {{"op", std::string("coder")},
               {"anchors", boxes_of(anchors)},
               {"boxes", boxes_of(boxes)},
               {"numbers", draw.array({4, 4})}};
  c.limit = {1e-4, 0, 1};
  return c;
}

Case draw_nms(int, Draw& draw) {
  struct Scored {
    std::array<double, 4> box;
    double score, kind;
  };
  std::vector<Scored> all;
  double score = 1;
  const auto add = [&](double x, double y, double w, double h, double kind) {
    all.push_back({{x, y, x + w, y + h}, score -= draw.uniform(0.005, 0.03), kind});
  };
  for (int group = 0; group < 3; ++group) {
    const double x = 100 * group + static_cast<double>(draw.integer(0, 20)),
                 y = static_cast<double>(draw.integer(0, 20)), kind = static_cast<double>(draw.integer(0, 1));
    add(x, y, 10, 10, kind);          // stays
    add(x + 3, y, 10, 10, kind);      // goes by the first
    add(x + 6, y, 10, 10, kind);      // overlaps only what is gone
    add(x + 1, y, 10, 10, 1 - kind);  // of the other class
    add(x, y + 40, 20, 10, kind);
    add(x + 50, y + 40, 8, 8, kind);
    add(x, y + 40, 10, 10, kind);      // overlaps the one before the last by exactly a half
    add(x + 1, y + 40, 20, 10, kind);  // goes by it
  }
  Array box{{static_cast<std::int64_t>(all.size()), 4}, {}},
      scores{{static_cast<std::int64_t>(all.size())}, {}}, kinds = scores;
  for (const std::int64_t i : draw.order(static_cast<std::int64_t>(all.size()))) {
    const Scored& s = all[static_cast<std::size_t>(i)];
    box.numbers.insert(box.numbers.end(), s.box.begin(), s.box.end());
    scores.numbers.push_back(s.score), kinds.numbers.push_back(s.kind);
  }
  Case c;
  c.what = "chains, two classes, overlaps at the limit";
  c.request = {
      {"op", std::string("nms")}, {"boxes", box}, {"score", scores}, {"kind", kinds}, {"overlap", 0.5}};
  return c;
}

std::vector<Question> questions_6(Draw& draw, bool handout) {
  const double z = handout ? 0 : static_cast<double>(draw.integer(-8, 8)) / 4, alpha = 0.25, gamma = 2;
  const double p = 1 / (1 + std::exp(-z)), loss = -alpha * std::pow(1 - p, gamma) * std::log(p),
               slope = alpha * std::pow(1 - p, gamma) * (gamma * p * std::log(p) + p - 1);
  const double x = handout ? 10 : static_cast<double>(draw.integer(1, 40)),
               y = handout ? 5 : static_cast<double>(draw.integer(1, 20));
  const double side_y = handout ? 45 : 50, height = side_y - y, wide = 120 - x;
  const double overlap = (100 - x) * height / (5000 + wide * height - (100 - x) * height);
  const double plus =
      (101 - x) * (height + 1) / (101 * 51 + (wide + 1) * (height + 1) - (101 - x) * (height + 1));
  const std::int64_t side = handout ? 256 : 32 * draw.integer(5, 12);
  double anchors = 0, floors = 0;
  for (double stride = 8; stride <= 128; stride *= 2) {
    const double places = std::ceil(static_cast<double>(side) / stride),
                 cut = std::floor(static_cast<double>(side) / stride);
    anchors += 9 * places * places, floors += 9 * cut * cut;
  }
  const double q = handout ? 0.01 : static_cast<double>(draw.integer(1, 9)) / 100;
  const auto number = [](double v) {
    std::string s = std::to_string(v);
    while (s.back() == '0') s.pop_back();
    if (s.back() == '.') s.pop_back();
    return s;
  };
  std::vector<Question> all{
      {"q1",
       "The focal loss and its gradient in z at z = " + number(z) + ", y = 1, alpha 0.25, gamma 2.",
       {loss, slope},
       false,
       {{{loss, alpha * std::pow(1 - p, gamma) * (p - 1)},
         "The gradient misses the term of (1 - p_t)^gamma."},
        {{loss / alpha, slope / alpha}, "alpha weighs the loss, too."}}},
      {"q2",
       "The overlap of (0, 0, 100, 50) and (" + number(x) + ", " + number(y) + ", 120, " + number(side_y) +
           ").",
       {overlap},
       false,
       {{{plus}, "Sides are x2 - x1 here, without + 1."}}},
      {"q3",
       "How many anchors has a picture of " + std::to_string(side) + " x " + std::to_string(side) +
           ", with strides 8 to 128 and 9 anchors a place?",
       {anchors},
       true,
       {}},
      {"q4",
       "The bias that says " + number(q) + " at the start.",
       {-std::log((1 - q) / q)},
       false,
       {{{std::log((1 - q) / q)}, "The sign: with a probability below a half the logit is negative."}}}};
  if (floors != anchors)
    all[2].known.push_back({{floors}, "Maps have ceil(side / stride) places, so that the edge is covered."});
  return all;
}

}  // namespace

Assignment assignment_6() {
  Assignment a;
  a.number = 6;
  a.title = "Focal loss and anchors";
  const auto task = [&](const char* id, const char* title, double points, Case (*f)(int, Draw&)) {
    a.tasks.push_back(
        {.id = id, .title = title, .points = points, .cut = id, .publics = 6, .hiddens = 12, .draw = f});
  };
  task("6A.1", "the focal loss", 18, draw_focal);
  task("6A.2", "anchors", 14, draw_anchors);
  task("6A.3a", "overlap", 6, draw_overlap);
  task("6A.3b", "matching", 12, draw_match);
  task("6A.4", "boxes as numbers", 12, draw_coder);
  task("6A.5", "suppression", 18, draw_nms);
  a.tasks.push_back(lesions_demonstration());
  a.questions = questions_6;
  return a;
}

}  // namespace gadolin::course
