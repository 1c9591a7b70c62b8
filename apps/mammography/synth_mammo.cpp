// What a made-up mammogram looks like.
#include "apps/mammography/synth_mammo.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tensor/check.h"

namespace gadolin::mammography {
namespace {

constexpr std::uint64_t patient_stream = 0x6d616d6d6f, view_stream = 0x76696577, film_stream = 0x6d66696c6d;
constexpr double pi = std::numbers::pi;

// Smooth random hills of a certain width, 0 to 1.
class Hills {
 public:
  Hills(int width, int height, double wide, RandomStream& random)
      : wide_(wide), columns_(static_cast<int>(width / wide) + 3) {
    const int rows = static_cast<int>(height / wide) + 3;
    knots_.resize(static_cast<std::size_t>(columns_) * static_cast<std::size_t>(rows));
    for (float& k : knots_) k = random.uniform();
  }
  double at(double x, double y) const {
    const double gx = x / wide_, gy = y / wide_;
    const int i = static_cast<int>(gx), j = static_cast<int>(gy);
    const double u = ease(gx - i), v = ease(gy - j);
    return (1 - v) * ((1 - u) * knot(i, j) + u * knot(i + 1, j)) +
           v * ((1 - u) * knot(i, j + 1) + u * knot(i + 1, j + 1));
  }

 private:
  static double ease(double t) { return t * t * (3 - 2 * t); }
  double knot(int i, int j) const { return knots_[static_cast<std::size_t>(j * columns_ + i)]; }
  double wide_;
  int columns_;
  std::vector<float> knots_;
};

// Half an ellipse whose wide side is the chest wall on the left; of the oblique view with the pectoral
// muscle.
struct Outline {
  double length, half, middle, slope, muscle_x, muscle_y;
  // 1 at the chest wall's middle, 0 at the skin, below 0 in the air.
  double depth(double x, double y) const {
    return 1 - std::hypot(x / length, (y - middle - slope * x) / half);
  }
  bool muscle(double x, double y) const { return muscle_x > 0 && x / muscle_x + y / muscle_y < 1; }
};

Outline outline_of(int width, int height, bool cc, RandomStream& random) {
  const auto share = [&](float low, float high) { return static_cast<double>(random.uniform(low, high)); };
  Outline o{width * share(0.62f, 0.86f), height * share(0.32f, 0.43f), height * share(0.46f, 0.54f), 0, 0, 0};
  if (!cc) {
    o.slope = share(0.05f, 0.15f);
    o.muscle_x = width * share(0.22f, 0.36f);
    o.muscle_y = height * share(0.35f, 0.55f);
  }
  return o;
}

// What the two views of a breast share, and where one of them shows it.
SynthLesion lesion_of(const SynthMammoOptions& o, RandomStream& body, RandomStream& view,
                      const Outline& outline) {
  SynthLesion lesion;
  lesion.mass = body.chance(0.6f);
  lesion.malignant = body.chance(0.5f);
  lesion.radius =
      static_cast<double>(o.size) * (lesion.mass ? body.uniform(0.026f, 0.055f) : body.uniform(0.03f, 0.05f));
  const double deep = body.uniform(0.15f, 0.65f);
  for (std::size_t k = 0; k < 3; ++k) {
    // A malignant mass has a ragged edge.
    lesion.wave[k] = body.uniform(0.3f, 1) * (lesion.mass && lesion.malignant ? 0.13 : 0.05);
    lesion.phase[k] = body.uniform(0, static_cast<float>(2 * pi));
  }
  const double angle = view.uniform(-1, 1);
  lesion.centre.x = std::max(outline.length * deep * std::cos(angle), 1.4 * lesion.radius);
  lesion.centre.y = outline.middle + outline.slope * lesion.centre.x + outline.half * deep * std::sin(angle);
  if (lesion.mass) return lesion;
  for (std::uint64_t n = 9 + body.below(8); n > 0; --n) {
    const double to = body.uniform(0, static_cast<float>(2 * pi)),
                 far = std::sqrt(body.uniform()) * 0.9 * lesion.reach(to);
    lesion.specks.push_back({lesion.centre.x + far * std::cos(to), lesion.centre.y + far * std::sin(to)});
  }
  return lesion;
}

void draw(std::vector<float>& light, int width, int height, const SynthLesion& lesion, double scale,
          RandomStream& random) {
  const auto around = [&](Point p, double far, auto&& f) {
    for (int y = std::max(0, static_cast<int>(p.y - far));
         y < std::min<int>(height, static_cast<int>(p.y + far) + 1); ++y)
      for (int x = std::max(0, static_cast<int>(p.x - far));
           x < std::min<int>(width, static_cast<int>(p.x + far) + 1); ++x)
        light[static_cast<std::size_t>(y * width + x)] += static_cast<float>(f(x + 0.5 - p.x, y + 0.5 - p.y));
  };
  const double bright = lesion.mass ? random.uniform(0.24f, 0.36f) : 0.05;
  around(lesion.centre, 1.8 * lesion.radius, [&](double x, double y) {
    return bright / (1 + std::exp(9 * (std::hypot(x, y) / lesion.reach(std::atan2(y, x)) - 1)));
  });
  for (const Point& speck : lesion.specks) {
    const double wide = scale * random.uniform(0.0020f, 0.0032f), high = random.uniform(0.45f, 0.7f);
    around(speck, 4 * wide,
           [&](double x, double y) { return high * std::exp(-(x * x + y * y) / (2 * wide * wide)); });
  }
}

void check_mammo(const SynthMammoOptions& o) {
  require<UsageError>(o.patients >= 1 && o.patients <= 10'000, "synth: patients = ", o.patients,
                      " is not in 1..10000");
  require<UsageError>(o.size >= 128 && o.size <= 8192, "synth: size = ", o.size,
                      " of a mammogram is not in 128..8192");
  require<UsageError>(o.abnormal >= 0 && o.abnormal <= 1, "synth: abnormal = ", o.abnormal,
                      " is not in 0..1");
  for (const std::string& fault : o.faults)
    require<UsageError>(std::ranges::count(synth_faults(), fault) == 1, "synth: fault ", printable(fault),
                        " is unknown; use swapped, mask-size, aspect, unmatched, uids or side");
}

}  // namespace

const std::vector<std::string>& synth_faults() {
  static const std::vector<std::string> names{"swapped", "mask-size", "aspect", "unmatched", "uids", "side"};
  return names;
}

double SynthLesion::reach(double angle) const {
  double r = 1;
  for (std::size_t k = 0; k < 3; ++k)
    r += wave[k] * std::sin(static_cast<double>(3 * k + 2) * angle + phase[k]);
  return radius * r;
}

std::vector<Point> SynthLesion::outline(int points) const {
  std::vector<Point> all;
  for (int i = 0; i < points; ++i) {
    const double angle = 2 * pi * i / points, r = reach(angle);
    all.push_back({centre.x + r * std::cos(angle), centre.y + r * std::sin(angle)});
  }
  return all;
}

Image synth_mask(const SynthLesion& lesion, int width, int height) {
  Image mask(width, height, 1, 8);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double dx = x + 0.5 - lesion.centre.x, dy = y + 0.5 - lesion.centre.y;
      if (std::hypot(dx, dy) < lesion.reach(std::atan2(dy, dx))) mask.row<std::uint8_t>(y)[x] = 255;
    }
  }
  return mask;
}

SynthMammogram synth_mammogram(const SynthMammoOptions& o, int patient, bool left, bool cc) {
  check_mammo(o);
  const auto p = static_cast<std::uint64_t>(patient), v = static_cast<std::uint64_t>(2 * left + cc);
  RandomStream body(o.seed, stream_id(patient_stream, p)), view(o.seed, stream_id(view_stream, p, v)),
      film(o.seed, stream_id(film_stream, p, v));
  const int width = o.size * 13 / 16, height = o.size;
  SynthMammogram out;
  out.patient = patient;
  out.left = left;
  out.cc = cc;
  const double density = body.uniform(0.4f, 1);
  const bool ill = body.uniform() < o.abnormal, ill_left = body.chance(0.5f);
  out.mirrored = o.has("side") && patient == 0 && left == ill_left && cc;
  const Outline outline = outline_of(width, height, cc, view);
  if (ill && left == ill_left) {
    const int count = body.chance(0.3f) ? 2 : 1;
    for (int i = 0; i < count; ++i) {
      SynthLesion lesion = lesion_of(o, body, view, outline);
      const auto apart = [&](const SynthLesion& l) {
        return std::hypot(l.centre.x - lesion.centre.x, l.centre.y - lesion.centre.y) >
               1.6 * (l.radius + lesion.radius);
      };
      if (std::ranges::all_of(out.lesions, apart)) out.lesions.push_back(std::move(lesion));
    }
  }

  const Hills large(width, height, o.size / 6.0, film), medium(width, height, o.size / 16.0, film),
      small(width, height, o.size / 48.0, film);
  std::vector<float> light(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double depth = outline.depth(x + 0.5, y + 0.5);
      if (depth <= 0) continue;
      const double texture = 0.5 * large.at(x, y) + 0.3 * medium.at(x, y) + 0.2 * small.at(x, y);
      const double thick = std::min(1.0, std::sqrt(depth / 0.25));
      const double muscle = outline.muscle(x, y) ? 0.12 : 0;
      light[static_cast<std::size_t>(y * width + x)] =
          static_cast<float>(thick * (0.2 + 0.3 * density * texture * std::min(1.0, depth / 0.4)) + muscle);
    }
  }
  for (const SynthLesion& lesion : out.lesions) draw(light, width, height, lesion, o.size, film);
  if (film.chance(0.5f)) {  // a label of lead beside the breast
    const int side = o.size / 24;
    for (int y = side; y < 2 * side; ++y)
      for (int x = width - 3 * side; x < width - side; ++x)
        light[static_cast<std::size_t>(y * width + x)] = 1;
  }

  // Right breasts are seen from the other side.
  const bool flip = left == out.mirrored;
  if (flip) {
    for (SynthLesion& lesion : out.lesions) {
      lesion.centre.x = width - lesion.centre.x;
      for (Point& speck : lesion.specks) speck.x = width - speck.x;
      // sin(n (pi - a) + p) = sin(n a + pi - p - n pi)
      for (std::size_t k = 0; k < 3; ++k)
        lesion.phase[k] = pi - lesion.phase[k] - static_cast<double>(3 * k + 2) * pi;
    }
  }
  out.inverted = film.chance(0.3f);
  constexpr int most = (1 << synth_mammo_bits) - 1;
  out.pixels = Image(width, height, 1, 16);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const float l = light[static_cast<std::size_t>(y * width + (flip ? width - 1 - x : x))];
      const double value = 30 + 3600 * l + (8 + 30 * l) * film.normal();
      const int stored = std::clamp(static_cast<int>(std::lround(value)), 0, most);
      out.pixels.row<std::uint16_t>(y)[x] = static_cast<std::uint16_t>(out.inverted ? most - stored : stored);
    }
  }
  return out;
}

}  // namespace gadolin::mammography
