// Heads, lesions and the values of a slice.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "apps/hemorrhage/labels.h"
#include "apps/hemorrhage/synth_ct.h"
#include "tensor/random.h"

namespace gadolin::hemorrhage {
namespace {

constexpr std::uint64_t head_stream = 0x68656164u, slice_stream = 0x736c696365u;
constexpr double bone_begins = 0.93;  // share of the way to the head's edge
constexpr float lesion_units = 38;    // above brain

// What the subtypes prefer: their share among lesions and where in the head they lie, from its base (0) up.
struct Habit {
  float share, low, high;
};
constexpr std::array<Habit, 5> habits = {{{0.14f, 0.3f, 0.7f},      // epidural
                                          {0.24f, 0.35f, 0.8f},     // intraparenchymal
                                          {0.18f, 0.4f, 0.65f},     // intraventricular
                                          {0.2f, 0.12f, 0.4f},      // subarachnoid
                                          {0.24f, 0.45f, 0.85f}}};  // subdural

int drawn_subtype(RandomStream& random) {
  float u = random.uniform();
  for (int s = 0; s < 4; ++s) {
    u -= habits[static_cast<std::size_t>(s)].share;
    if (u < 0) return s;
  }
  return 4;
}

SynthLesion drawn_lesion(RandomStream& random, int slices) {
  SynthLesion lesion;
  lesion.subtype = drawn_subtype(random);
  const Habit& habit = habits[static_cast<std::size_t>(lesion.subtype)];
  lesion.middle = std::clamp(
      static_cast<int>(random.uniform(habit.low, habit.high) * static_cast<float>(slices)), 0, slices - 1);
  lesion.reach = std::max(1, static_cast<int>(random.uniform(0.07f, 0.16f) * static_cast<float>(slices)));
  // Temples for epidural blood, anywhere for the others.
  lesion.angle = lesion.subtype == 0
                     ? (random.chance(0.5f) ? 0 : std::numbers::pi) + random.uniform(-0.5f, 0.5f)
                     : random.uniform(0, 2 * std::numbers::pi_v<float>);
  lesion.size = random.uniform(0.8f, 1.25f);
  return lesion;
}

// 0 to 1 with a soft edge of `soft` around distance 0, inside positive.
double edge(double inside, double soft) { return std::clamp(0.5 + inside / soft, 0.0, 1.0); }

double turned(double angle) { return std::remainder(angle, 2 * std::numbers::pi); }

// How much of a lesion lies at (u, v), shares of the way to the head's edge; `full` shrinks it towards its
// first and last slice.
double lesion_at(const SynthLesion& lesion, double full, double u, double v) {
  const double r = std::hypot(u, v), away = turned(std::atan2(v, u) - lesion.angle),
               size = lesion.size * full;
  switch (lesion.subtype) {
    case 0: {  // a lens at the bone
      const double t = 0.3 * size * (1 - std::pow(away / 0.55, 2));
      return t > 0 ? edge(r - (bone_begins - t), 0.06) : 0;
    }
    case 1:  // round, within the brain
      return edge(0.2 * size - std::hypot(u - 0.5 * std::cos(lesion.angle), v - 0.5 * std::sin(lesion.angle)),
                  0.06);
    case 2:  // fills the ventricles
      return edge(0.95 * size - std::hypot((std::abs(u) - 0.15) / 0.1, v / 0.3), 0.3);
    case 3: {  // thin, in the folds around the middle
      const double ray = std::abs(std::sin(2.5 * (std::atan2(v, u) - lesion.angle))) * r;
      return edge(0.055 * size - ray, 0.03) * edge(0.65 * size - r, 0.1);
    }
    default: {  // a long sickle at the bone
      const double t = 0.14 * size * std::sqrt(std::max(0.0, 1 - std::pow(away / 1.3, 2)));
      return t > 0.02 ? edge(r - (bone_begins - t), 0.05) : 0;
    }
  }
}

struct Shown {
  SynthLesion lesion;
  double full, units;
};

// The patient's lesions in this slice, and perhaps one that is none.
std::vector<Shown> shown_in(const SynthHead& head, int slices, int slice, RandomStream& random) {
  std::vector<Shown> shown;
  for (const SynthLesion& lesion : head.lesions) {
    const double away = std::abs(slice - lesion.middle) / (lesion.reach + 0.7);
    const bool faint = random.chance(0.33f);
    const float seen = random.uniform(0.5f, 1.0f);
    if (away < 1)
      shown.push_back({lesion, std::sqrt(1 - away * away), lesion_units * (faint ? 0.06f : seen)});
  }
  SynthLesion none = drawn_lesion(random, slices);
  const double units = lesion_units * random.uniform(0.5f, 1.0f);
  if (random.chance(0.1f)) shown.push_back({none, 0.9, units});
  return shown;
}

}  // namespace

std::uint8_t SynthHead::labels(int slice) const {
  unsigned bits = 0;
  for (const SynthLesion& lesion : lesions)
    if (std::abs(slice - lesion.middle) <= lesion.reach) bits |= 1u << lesion.subtype | 1u << any_label;
  return static_cast<std::uint8_t>(bits);
}

SynthHead synth_head(const SynthCtOptions& o, int patient) {
  RandomStream random(o.seed, stream_id(head_stream, static_cast<std::uint64_t>(patient)));
  SynthHead head;
  head.patient = patient;
  head.series = patient % 5 == 4 ? 2 : 1;
  head.width = random.uniform(0.6f, 0.72f);
  head.height = random.uniform(0.74f, 0.86f);
  head.tilt = patient % 3 == 0 ? static_cast<double>(random.uniform(8.0f, 20.0f)) : 0;
  const bool bleeds = random.uniform() < static_cast<float>(o.bleeding), second = random.chance(0.3f);
  for (int i = 0; bleeds && i < (second ? 2 : 1); ++i) head.lesions.push_back(drawn_lesion(random, o.slices));
  return head;
}

std::vector<float> synth_slice(const SynthCtOptions& o, const SynthHead& head, int scan, int slice) {
  RandomStream random(o.seed, stream_id(slice_stream, static_cast<std::uint64_t>(head.patient),
                                        static_cast<std::uint64_t>(scan * 4096 + slice)));
  const std::vector<Shown> shown = shown_in(head, o.slices, slice, random);
  const double z = (slice + 0.5) / o.slices, round = std::sqrt(1 - std::pow((z - 0.45) / 0.62, 2));
  const double fluid = z > 0.35 && z < 0.7 ? 1 : 0, wave = random.uniform(0, 6.0f);
  std::vector<float> units(static_cast<std::size_t>(o.size) * static_cast<std::size_t>(o.size));
  std::size_t at = 0;
  for (int y = 0; y < o.size; ++y) {
    for (int x = 0; x < o.size; ++x, ++at) {
      const double u = ((x + 0.5) / o.size * 2 - 1) / (head.width * round),
                   v = ((y + 0.5) / o.size * 2 - 1) / (head.height * round), r = std::hypot(u, v);
      if (r > 1) {
        units[at] = -1000 + 4 * random.uniform();
        continue;
      }
      double value = 30 + 3 * std::sin(7 * u + wave) * std::cos(6 * v - wave);
      value -= fluid * 24 * edge(1 - std::hypot((std::abs(u) - 0.15) / 0.1, v / 0.3), 0.3);
      for (const Shown& s : shown) value += s.units * lesion_at(s.lesion, s.full, u, v);
      value += 7 * random.normal();
      units[at] = static_cast<float>(value + (r > bone_begins ? 900 : 0));
    }
  }
  return units;
}

Image coded_slice(const std::vector<float>& units, int size, CtCoding coding) {
  Image image(size, size, 1, 16);
  auto* out = image.data<std::uint16_t>();
  for (std::size_t i = 0; i < units.size(); ++i) {
    const long whole = std::lround(std::clamp(units[i], -1000.0f, 3000.0f));
    out[i] = static_cast<std::uint16_t>(coding == CtCoding::wrapped ? whole & 4095 : whole + 1024);
  }
  return image;
}

}  // namespace gadolin::hemorrhage
