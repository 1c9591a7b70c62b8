#include "apps/bodypart/synth_anatomy.h"

#include <algorithm>
#include <cmath>

namespace gadolin {
namespace {

struct PlanePoint {
  float x, y;
};

// Adds up shapes given in a square from (-1, -1) above left to (1, 1), turned, scaled, shifted and mirrored
// as a whole.
class Canvas {
 public:
  Canvas(int size, float turn, RandomStream& film)
      : size_(size), plane_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)) {
    const float angle = film.uniform(-turn, turn), scale = film.uniform(0.86f, 1.14f),
                stretch = film.uniform(0.94f, 1.06f);
    const float side = film.chance(0.5f) ? 1.f : -1.f;
    a_ = side * scale * stretch * std::cos(angle), b_ = -scale / stretch * std::sin(angle);
    c_ = side * scale * stretch * std::sin(angle), d_ = scale / stretch * std::cos(angle);
    x_ = film.uniform(-0.09f, 0.09f), y_ = film.uniform(-0.09f, 0.09f);
  }

  // An ellipsoid; amount < 0 is air in what is around it. A large `flat` makes it even up to a sharp edge.
  void ellipse(float x, float y, float rx, float ry, float angle, float amount, float flat = 1) {
    const float c = std::cos(angle), s = std::sin(angle), reach = std::max(rx, ry);
    over({x - reach, y - reach}, {x + reach, y + reach}, [&](PlanePoint p) {
      const float dx = p.x - x, dy = p.y - y, u = (dx * c + dy * s) / rx, v = (dy * c - dx * s) / ry,
                  r = u * u + v * v;
      return r < 1 ? amount * std::min(1.f, flat * std::sqrt(1 - r)) : 0.f;
    });
  }

  // A tube along `path`, of radius `from` at its beginning and `to` at its end; `hollow` of its inside is
  // marrow.
  void tube(const std::vector<PlanePoint>& path, float from, float to, float amount, float hollow = 0) {
    const float reach = std::max(from, to);
    PlanePoint low = path[0], high = path[0];
    for (const PlanePoint& p : path) {
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    }
    const float step = 1.f / static_cast<float>(path.size() - 1);
    over({low.x - reach, low.y - reach}, {high.x + reach, high.y + reach}, [&](PlanePoint p) {
      float t = 1;  // square of the distance to the axis, in radii
      for (std::size_t i = 0; i + 1 < path.size(); ++i) {
        const float ex = path[i + 1].x - path[i].x, ey = path[i + 1].y - path[i].y, dx = p.x - path[i].x,
                    dy = p.y - path[i].y;
        const float along = std::clamp((dx * ex + dy * ey) / (ex * ex + ey * ey + 1e-12f), 0.f, 1.f);
        const float radius = from + (to - from) * (static_cast<float>(i) + along) * step;
        const float fx = dx - along * ex, fy = dy - along * ey;
        t = std::min(t, (fx * fx + fy * fy) / (radius * radius));
      }
      return amount * (std::sqrt(1 - t) - hollow * std::sqrt(std::max(0.f, 0.5f - t)));
    });
  }

  // A ring: a tube along an ellipse.
  void ring(float x, float y, float rx, float ry, float radius, float amount) {
    std::vector<PlanePoint> path;
    constexpr int corners = 24;
    for (int i = 0; i <= corners; ++i) {
      const float angle = 6.2831853f * static_cast<float>(i) / corners;
      path.push_back({x + rx * std::cos(angle), y + ry * std::sin(angle)});
    }
    tube(path, radius, radius, amount);
  }

  std::vector<float> take() { return std::move(plane_); }

 private:
  // Adds f(p) to every pixel that the box can meet, p in the coordinates of the shapes.
  template <class F> void over(PlanePoint low, PlanePoint high, F&& f) {
    const float half = static_cast<float>(size_) / 2;
    float x0 = 1e9f, x1 = -1e9f, y0 = 1e9f, y1 = -1e9f;
    for (const PlanePoint p : {low, high, PlanePoint{low.x, high.y}, PlanePoint{high.x, low.y}}) {
      const float px = half * (1 + a_ * p.x + b_ * p.y + x_), py = half * (1 + c_ * p.x + d_ * p.y + y_);
      x0 = std::min(x0, px), x1 = std::max(x1, px), y0 = std::min(y0, py), y1 = std::max(y1, py);
    }
    const auto limit = [&](float v) {
      return static_cast<int>(std::clamp(v, 0.f, static_cast<float>(size_)));
    };
    const float det = a_ * d_ - b_ * c_;
    for (int y = limit(y0); y < limit(y1 + 1); ++y) {
      float* row = plane_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(size_);
      for (int x = limit(x0); x < limit(x1 + 1); ++x) {
        const float u = (static_cast<float>(x) + 0.5f) / half - 1 - x_,
                    v = (static_cast<float>(y) + 0.5f) / half - 1 - y_;
        row[x] += f(PlanePoint{(d_ * u - b_ * v) / det, (a_ * v - c_ * u) / det});
      }
    }
  }

  int size_;
  float a_, b_, c_, d_, x_, y_;
  std::vector<float> plane_;
};

// What a drawing knows of its patient and its picture.
struct DrawnBody {
  Canvas& canvas;
  RandomStream& film;
  float build, bone;  // breadth of soft tissue, density of bones
  float vary(float about, float by) const { return about + film.uniform(-by, by); }
};

constexpr float both_sides[] = {-1, 1};

void chest(const DrawnBody& b) {
  Canvas& c = b.canvas;
  c.ellipse(0, 0.35f, 0.95f * b.build, 1.4f, 0, 1.1f, 2);
  c.tube({{0, -1.2f}, {0, -0.7f}}, 0.2f, 0.35f, 0.5f);
  const float low = b.vary(0.05f, 0.05f), depth = b.vary(0.66f, 0.07f);
  for (const float s : both_sides) {
    c.ellipse(s * 0.43f, low, 0.31f, depth, -s * 0.12f, -0.85f, 2);
    c.ellipse(s * 0.45f, low + depth + 0.22f, 0.46f, 0.3f, 0, 0.5f);
    for (int i = 0; i < 9; ++i) {
      const float y = -0.66f + 0.145f * static_cast<float>(i);
      c.tube({{s * 0.07f, y - 0.02f}, {s * 0.4f, y - 0.09f}, {s * 0.7f, y + 0.06f}, {s * 0.8f, y + 0.22f}},
             0.026f, 0.026f, 0.28f * b.bone);
      c.tube({{s * 0.8f, y + 0.22f}, {s * 0.6f, y + 0.38f}, {s * 0.3f, y + 0.42f}}, 0.026f, 0.03f,
             0.14f * b.bone);
    }
    const float rise = b.vary(0.1f, 0.06f);
    c.tube({{s * 0.07f, -0.6f}, {s * 0.45f, -0.62f - rise}, {s * 0.88f, -0.66f - rise}}, 0.035f, 0.035f,
           0.4f * b.bone);
  }
  c.tube({{0, -0.8f}, {0, 1.2f}}, 0.13f, 0.15f, 0.45f);
  c.ellipse(0.12f, 0.4f, b.vary(0.36f, 0.06f), 0.28f, 0.5f, 0.6f);
  for (int i = 0; i < 12; ++i)
    c.ellipse(0, -0.9f + 0.17f * static_cast<float>(i), 0.075f, 0.065f, 0, 0.25f * b.bone, 2);
}

void abdomen(const DrawnBody& b) {
  Canvas& c = b.canvas;
  c.ellipse(0, 0, 0.95f * b.build, 1.7f, 0, 1.3f, 2);
  c.ellipse(-0.4f, -0.55f, 0.48f, b.vary(0.4f, 0.06f), -0.3f, 0.35f);
  c.ellipse(0.5f, -0.5f, 0.2f, 0.28f, 0.4f, 0.25f);
  for (int i = 0; i < 7; ++i) {
    const float y = -0.95f + 0.28f * static_cast<float>(i);
    c.tube({{-0.1f, y}, {0.1f, y}}, 0.105f, 0.105f, 0.45f * b.bone, 0.4f);
    c.tube({{-0.28f, y + 0.02f}, {0.28f, y + 0.02f}}, 0.025f, 0.025f, 0.2f * b.bone);
  }
  for (const float s : both_sides) {
    c.tube({{s * 0.12f, -0.35f}, {s * 0.4f, 0.75f}}, 0.06f, 0.13f, 0.15f);
    for (int i = 0; i < 3; ++i) {
      const float y = -0.98f + 0.16f * static_cast<float>(i);
      c.tube({{s * 0.12f, y}, {s * 0.5f, y + 0.08f}, {s * 0.78f, y + 0.3f}}, 0.03f, 0.02f, 0.25f * b.bone);
    }
    c.ellipse(s * 0.55f, 1.02f, 0.34f, 0.36f, s * 0.3f, 0.35f * b.bone);
    c.tube({{s * 0.16f, 0.86f}, {s * 0.36f, 0.68f}, {s * 0.66f, 0.68f}, {s * 0.86f, 0.95f}}, 0.04f, 0.04f,
           0.35f * b.bone);
  }
  const int bubbles = 7 + static_cast<int>(b.film.below(7));
  for (int i = 0; i < bubbles; ++i) {
    const float frame = b.film.chance(0.6f) ? 1.f : 0.f;  // in the colon along the flanks, or anywhere
    const float x = frame != 0 ? b.vary(b.film.chance(0.5f) ? -0.66f : 0.66f, 0.1f) : b.vary(0, 0.5f),
                y = b.vary(0.1f, 0.6f);
    const float rx = b.vary(0.11f, 0.05f), ry = b.vary(0.08f, 0.03f);
    c.ellipse(x, y, rx, ry, b.vary(0, 1.5f), -0.5f);
  }
}

void pelvis(const DrawnBody& b) {
  Canvas& c = b.canvas;
  c.ellipse(0, -0.2f, 0.98f * b.build, 1.1f, 0, 0.9f, 2);
  const float spread = b.vary(0, 0.04f);
  for (const float s : both_sides) {
    c.tube({{s * 0.45f, 0.3f}, {s * (0.55f + spread), 1.4f}}, 0.36f * b.build, 0.3f * b.build, 0.5f);
    c.ellipse(s * 0.52f, -0.38f, 0.25f, 0.42f, s * 0.45f, 0.45f * b.bone, 2);
    c.tube({{s * 0.2f, -0.5f}, {s * 0.42f, -0.82f}, {s * 0.74f, -0.72f}, {s * 0.86f, -0.35f}, {s * 0.66f, 0}},
           0.04f, 0.05f, 0.45f * b.bone);
    c.ring(s * 0.25f, 0.56f, 0.15f, 0.13f, 0.05f, 0.5f * b.bone);
    c.ellipse(s * 0.57f, 0.2f, 0.14f, 0.14f, 0, 0.65f * b.bone);
    c.tube({{s * 0.57f, 0.2f}, {s * (0.75f + spread), 0.4f}}, 0.08f, 0.09f, 0.55f * b.bone);
    c.tube({{s * (0.74f + spread), 0.38f}, {s * (0.7f + spread), 1.4f}}, 0.1f, 0.085f, 0.8f * b.bone, 0.7f);
  }
  c.ellipse(0, -0.35f, 0.19f, 0.36f, 0, 0.5f * b.bone, 2);
  c.ring(0, 0.08f, 0.38f, 0.33f, 0.045f, 0.45f * b.bone);
  for (int i = 0; i < 2; ++i) {
    const float y = -0.98f + 0.22f * static_cast<float>(i);
    c.tube({{-0.12f, y}, {0.12f, y}}, 0.09f, 0.09f, 0.4f * b.bone, 0.4f);
  }
}

void head(const DrawnBody& b) {
  Canvas& c = b.canvas;
  if (b.film.chance(0.5f)) {  // from the front
    c.tube({{0, 0.6f}, {0, 1.4f}}, 0.3f * b.build, 0.4f * b.build, 0.7f);
    c.ellipse(0, -0.15f, 0.64f, 0.78f, 0, 0.9f, 1.5f);
    c.ring(0, -0.17f, 0.6f, 0.72f, 0.05f, 0.7f * b.bone);
    for (const float s : both_sides) {
      c.ellipse(s * 0.24f, 0.02f, 0.15f, 0.13f, 0, -0.35f, 2);
      c.ring(s * 0.24f, 0.02f, 0.16f, 0.14f, 0.025f, 0.35f * b.bone);
      c.ellipse(s * 0.3f, 0.28f, 0.12f, 0.12f, 0, -0.2f);
    }
    c.ellipse(0, 0.2f, 0.08f, 0.16f, 0, -0.3f, 2);
    c.tube({{-0.5f, 0.25f}, {-0.42f, 0.6f}, {-0.15f, 0.82f}, {0.15f, 0.82f}, {0.42f, 0.6f}, {0.5f, 0.25f}},
           0.06f, 0.06f, 0.55f * b.bone);
    for (int i = -4; i <= 4; ++i) {
      const float x = 0.062f * static_cast<float>(i);
      c.tube({{x, 0.42f}, {x, 0.62f}}, 0.028f, 0.028f, 0.5f * b.bone);
    }
  } else {  // from the side
    c.tube({{-0.15f, 0.4f}, {-0.2f, 1.4f}}, 0.3f * b.build, 0.36f * b.build, 0.7f);
    c.ellipse(-0.08f, -0.2f, 0.72f, 0.64f, 0.1f, 0.9f, 1.5f);
    c.ring(-0.08f, -0.2f, 0.67f, 0.59f, 0.045f, 0.7f * b.bone);
    c.ellipse(0.42f, 0.32f, 0.26f, 0.38f, 0.1f, 0.6f, 1.5f);
    c.ellipse(0.46f, 0.05f, 0.13f, 0.12f, 0, -0.35f, 2);
    c.ellipse(0.36f, 0.3f, 0.12f, 0.1f, 0, -0.3f);
    c.tube({{0.02f, 0.22f}, {0.08f, 0.58f}, {0.38f, 0.78f}, {0.62f, 0.74f}}, 0.06f, 0.07f, 0.5f * b.bone);
    for (int i = 0; i < 6; ++i) {
      const float x = 0.3f + 0.06f * static_cast<float>(i);
      c.tube({{x, 0.46f}, {x + 0.02f, 0.66f}}, 0.028f, 0.028f, 0.45f * b.bone);
    }
    c.ellipse(0.02f, 0.2f, 0.1f, 0.08f, 0, 0.5f * b.bone);
    for (int i = 0; i < 5; ++i) {
      const float y = 0.48f + 0.17f * static_cast<float>(i);
      c.tube({{-0.2f, y}, {-0.06f, y}}, 0.065f, 0.065f, 0.45f * b.bone);
    }
  }
}

void spine(const DrawnBody& b) {
  Canvas& c = b.canvas;
  const bool lateral = b.film.chance(0.4f);
  const float bend = lateral ? b.vary(0.16f, 0.05f) : b.vary(0, 0.1f), height = b.vary(0.34f, 0.03f),
              phase = b.vary(0.5f, 0.4f);
  c.ellipse(lateral ? 0.2f : 0, 0, (lateral ? 0.85f : 0.75f) * b.build, 1.8f, 0, 0.8f, 2);
  const auto axis = [&](float y) { return bend * std::sin(1.8f * (y + phase)); };
  for (int i = -4; i <= 4; ++i) {
    const float y = height * static_cast<float>(i), x = axis(y),
                width = 0.16f + 0.012f * static_cast<float>(i), r = height * 0.41f;
    c.tube({{x - width, y}, {x + width, y}}, r, r, 0.75f * b.bone, 0.5f);
    if (lateral) {
      c.tube({{x - width, y}, {x - width - 0.2f, y + 0.06f}, {x - width - 0.42f, y + 0.16f}}, 0.06f, 0.045f,
             0.4f * b.bone);
    } else {
      for (const float s : both_sides) {
        c.ring(x + s * 0.15f, y - 0.04f, 0.035f, 0.05f, 0.02f, 0.5f * b.bone);
        c.tube({{x + s * width, y}, {x + s * (width + 0.26f), y - 0.03f}}, 0.04f, 0.025f, 0.3f * b.bone);
      }
      c.ellipse(x, y + 0.08f, 0.035f, 0.09f, 0, 0.4f * b.bone);
    }
  }
}

void hand(const DrawnBody& b) {
  Canvas& c = b.canvas;
  const PlanePoint wrist{0, 0.52f};
  c.tube({{0, 1.4f}, {0, 0.55f}}, 0.26f * b.build, 0.22f * b.build, 0.35f);
  c.ellipse(0.03f, 0.22f, 0.36f * b.build, 0.36f, 0, 0.35f, 1.5f);
  const float fan = b.vary(1, 0.25f);
  constexpr float angles[] = {-0.85f, -0.27f, -0.06f, 0.14f, 0.34f},
                  lengths[] = {0.82f, 0.96f, 1, 0.95f, 0.8f};
  for (int k = 0; k < 5; ++k) {
    const float angle = angles[k] * fan + b.vary(0, 0.04f), length = lengths[k] * 1.28f;
    const auto at = [&](float t) {
      return PlanePoint{wrist.x + std::sin(angle) * t * length, wrist.y - std::cos(angle) * t * length};
    };
    c.tube({at(0.3f), at(0.97f)}, 0.09f * b.build, 0.065f * b.build, 0.3f);
    const float joints[] = {0.15f, 0.46f, 0.7f, 0.85f, 0.95f};
    for (int j = k == 0 ? 1 : 0; j < 4; ++j) {
      const float from = joints[j] - (k == 0 && j == 1 ? 0.3f : 0),
                  r = 0.042f - 0.006f * static_cast<float>(j);
      c.tube({at(from + 0.02f), at(joints[j + 1] - 0.02f)}, r, r * 0.85f, 0.6f * b.bone, 0.5f);
      c.ellipse(at(joints[j + 1] - 0.03f).x, at(joints[j + 1] - 0.03f).y, r * 1.2f, r * 1.1f, 0,
                0.2f * b.bone);
    }
  }
  for (int i = 0; i < 8; ++i) {
    const float x = -0.14f + 0.095f * static_cast<float>(i % 4), y = i < 4 ? 0.4f : 0.52f;
    c.ellipse(x, y, 0.06f, 0.065f, b.vary(0, 0.5f), 0.45f * b.bone);
  }
  c.tube({{-0.1f, 0.66f}, {-0.09f, 1.4f}}, 0.1f, 0.07f, 0.6f * b.bone, 0.5f);
  c.tube({{0.13f, 0.68f}, {0.12f, 1.4f}}, 0.055f, 0.06f, 0.55f * b.bone, 0.5f);
}

void musculoskeletal(const DrawnBody& b) {
  Canvas& c = b.canvas;
  const float bend = b.vary(0, 0.08f);
  if (b.film.chance(0.5f)) {  // a knee
    c.tube({{0, -1.4f}, {0, 0}, {bend, 1.4f}}, 0.46f * b.build, 0.36f * b.build, 0.7f);
    c.tube({{0, -1.4f}, {0, -0.3f}}, 0.13f, 0.19f, 0.8f * b.bone, 0.7f);
    for (const float s : both_sides) c.ellipse(s * 0.16f, -0.2f, 0.2f, 0.17f, 0, 0.6f * b.bone);
    c.ellipse(b.vary(0, 0.04f), -0.3f, 0.14f, 0.15f, 0, 0.3f * b.bone);
    c.ellipse(0, 0.14f, 0.34f, 0.11f, 0, 0.55f * b.bone, 2);
    c.tube({{0, 0.16f}, {bend, 1.4f}}, 0.22f, 0.12f, 0.75f * b.bone, 0.7f);
    c.tube({{0.29f, 0.24f}, {0.26f + bend, 1.4f}}, 0.065f, 0.05f, 0.5f * b.bone, 0.5f);
  } else {  // an elbow
    c.tube({{0, -1.4f}, {0, 0}, {bend, 1.4f}}, 0.36f * b.build, 0.3f * b.build, 0.55f);
    c.tube({{0, -1.4f}, {0, -0.25f}}, 0.12f, 0.14f, 0.8f * b.bone, 0.7f);
    c.ellipse(0, -0.14f, 0.27f, 0.13f, 0, 0.55f * b.bone, 2);
    c.tube({{-0.08f, -0.1f}, {-0.1f, 0.2f}, {-0.16f + bend, 1.4f}}, 0.13f, 0.075f, 0.7f * b.bone, 0.6f);
    c.ellipse(0.14f, 0.06f, 0.1f, 0.06f, 0, 0.5f * b.bone, 2);
    c.tube({{0.14f, 0.08f}, {0.17f, 0.4f}, {0.19f + bend, 1.4f}}, 0.07f, 0.08f, 0.65f * b.bone, 0.6f);
  }
}

}  // namespace

const std::vector<std::string>& synth_body_parts() {
  static const std::vector<std::string> parts{"ABDOMEN",         "CHEST",  "HAND", "HEAD",
                                              "MUSCULOSKELETAL", "PELVIS", "SPINE"};
  return parts;
}

std::vector<float> draw_body_part(int part, int size, RandomStream& patient, RandomStream& film) {
  constexpr void (*draw[])(const DrawnBody&) = {abdomen, chest, hand, head, musculoskeletal, pelvis, spine};
  const bool limb = part == 2 || part == 4;
  Canvas canvas(size, limb ? 0.5f : 0.12f, film);
  const float build = patient.uniform(0.88f, 1.12f), bone = patient.uniform(0.75f, 1.25f);
  draw[part]({canvas, film, build, bone});
  std::vector<float> plane = canvas.take();
  for (float& v : plane) v = std::max(v, 0.f);
  return plane;
}

}  // namespace gadolin
