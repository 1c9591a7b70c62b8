// What a made-up chest film looks like.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "apps/chestxray/nih_table.h"
#include "apps/chestxray/synth_chest.h"
#include "tensor/check.h"
#include "tensor/random.h"

namespace gadolin::chestxray {
namespace {

constexpr std::uint64_t person_stream = 0x706572736f6e, exposure_stream = 0x6578706f73;
enum Label {
  atelectasis = 0,
  cardiomegaly = 1,
  consolidation = 2,
  effusion = 4,
  mass = 9,
  nodule = 11,
  pneumothorax = 14
};
constexpr int shown_labels[] = {atelectasis, cardiomegaly, consolidation, effusion,
                                mass,        nodule,       pneumothorax};

double between(RandomStream& random, double low, double high) {
  return low + (high - low) * random.uniform();
}

// What all films of a patient share.
struct Body {
  double lung_x, lung_y, lung_rx,
      lung_ry;  // of the lung on the right of the picture; the other is its mirror
  double heart_x, heart_rx, heart_ry, tone, ribs, phase, tilt;
  struct Wave {
    double across, down, phase;
  };
  std::array<Wave, 6> texture;  // vessels and soft parts, by which a patient can be told from others
};

Body body_of(RandomStream& random) {
  const auto draw = [&](double low, double high) { return between(random, low, high); };
  Body b{draw(.20, .24), draw(.45, .50), draw(.15, .18), draw(.29, .34), draw(.04, .08), draw(.13, .15),
         draw(.13, .16), draw(.9, 1.1),  draw(8, 13),    draw(0, 6),     draw(-.6, .6),  {}};
  for (Body::Wave& wave : b.texture) wave = {draw(-4, 4), draw(.5, 4), draw(0, 6.28)};
  return b;
}

double texture_of(const Body& b, double x, double y) {
  double sum = 0;
  for (const Body::Wave& w : b.texture)
    sum += std::cos(2 * std::numbers::pi * (w.across * x + w.down * y) + w.phase);
  return .012 * sum;
}

// Inside 1 at the middle of an ellipse, 0 at its edge, below 0 outside.
double inside(double x, double y, double cx, double cy, double rx, double ry) {
  return 1 - std::hypot((x - cx) / rx, (y - cy) / ry);
}
// 0 outside, 1 inside, with a soft edge as wide as `soft`.
double soft_step(double depth, double soft) { return 1 / (1 + std::exp(-depth / soft)); }

ChestSign sign_of(int label, const Body& b, RandomStream& random) {
  const double side = random.chance(0.5f) ? 1 : -1;
  const auto lung = [&](double across, double down, double rx, double ry, double at) {
    return ChestSign{label, .5 + at * (b.lung_x + across * b.lung_rx), b.lung_y + down * b.lung_ry, rx, ry};
  };
  switch (label) {
    case cardiomegaly: return {label, .5 + b.heart_x, .62, 1.55 * b.heart_rx, 1.2 * b.heart_ry};
    case effusion: return lung(0, .75, .9 * b.lung_rx, .25 * b.lung_ry, side);
    case pneumothorax: return lung(0, -.65, .7 * b.lung_rx, .3 * b.lung_ry, side);
    case atelectasis: return lung(.1, .35, .09, .08, 1);
    case consolidation: return lung(.1, .35, .09, .08, -1);
    default: {
      const double r = label == mass ? between(random, .06, .08) : between(random, .025, .035);
      return lung(between(random, -.4, .4), between(random, -.5, .3), r, r, side);
    }
  }
}

// How much brighter a sign makes a point.
double light_of(const ChestSign& s, double x, double y) {
  const double depth = inside(x, y, s.x, s.y, s.rx, s.ry);
  switch (s.label) {
    case effusion: return .45 * soft_step(depth, .12);
    case pneumothorax: return -.16 * soft_step(depth, .1);
    case atelectasis:
    case consolidation: return .26 * soft_step(depth, .15);
    case mass: return .30 * soft_step(depth, .12);
    case nodule: return .36 * soft_step(depth, .2);
    default: return 0;  // the heart is drawn with the body
  }
}

// Light 0..1 of a frontal film.
double frontal(const Body& b, const SynthChestFilm& film, double strength, double x, double y) {
  double light = .62 * b.tone * soft_step(inside(x, y, .5, .55, .55, .62), .06);
  const double lungs = std::max(inside(x, y, .5 - b.lung_x, b.lung_y, b.lung_rx, b.lung_ry),
                                inside(x, y, .5 + b.lung_x, b.lung_y, b.lung_rx, b.lung_ry));
  const double air = soft_step(lungs, .07);
  light += texture_of(b, x, y) - .38 * air;
  light +=
      .05 * air * std::sin(b.ribs * 2 * std::numbers::pi * (y + .25 * b.tilt * std::fabs(x - .5)) + b.phase);
  double wide = film.view == "AP" ? 1.1 : 1;  // nearer to the tube: a larger shadow
  for (const ChestSign& s : film.signs)
    if (s.label == cardiomegaly) wide *= 1 + .5 * strength;
  light +=
      .26 *
      soft_step(inside(x, y, .5 + b.heart_x, .62, b.heart_rx * wide, b.heart_ry * (.6 + .4 * wide)), .08);
  light += .2 * std::exp(-std::pow((x - .5) / .035, 2));
  for (const ChestSign& s : film.signs) light += strength * light_of(s, x, y);
  return light;
}

// One field of lungs before a spine.
double lateral_view(const Body& b, double x, double y) {
  double light = .6 * b.tone * soft_step(inside(x, y, .5, .55, .38, .62), .06);
  light -= .3 * soft_step(inside(x, y, .5, .48, .25, .36), .07);
  light += .25 * std::exp(-std::pow((x - .78 + .1 * y) / .06, 2));
  return light + .2 * soft_step(inside(x, y, .36, .62, .12, .14), .08);
}

// A marker of metal in the upper corner, and the letter-like sign of a site: a bar in another corner.
double metal(const SynthChestFilm& film, double x, double y) {
  const bool marker = film.marker && std::fabs(x - .88) < .045 && std::fabs(y - .1) < .045;
  const bool bar = film.site == 'B' && std::fabs(x - .12) < .06 && std::fabs(y - .08) < .015;
  return marker || bar ? 1 : 0;
}

void expose(SynthChestFilm& film, const Body& body, const SynthChestOptions& o, RandomStream& random) {
  const double exposure = between(random, .92, 1.08), shift_x = between(random, -.012, .012),
               shift_y = between(random, -.012, .012);
  film.pixels = Image(o.size, o.size, 1, 8);
  for (int row = 0; row < o.size; ++row) {
    for (int column = 0; column < o.size; ++column) {
      const double x = (column + .5) / o.size - shift_x, y = (row + .5) / o.size - shift_y;
      double light = film.view == "LL" ? lateral_view(body, x, y) : frontal(body, film, o.strength, x, y);
      light = std::max(light * exposure, metal(film, x, y)) + .03 * random.normal();
      film.pixels.row<std::uint8_t>(row)[column] =
          static_cast<std::uint8_t>(std::lround(255 * std::clamp(light, 0.0, 1.0)));
    }
  }
}

void check_chest(const SynthChestOptions& o) {
  require<UsageError>(o.patients >= 5 && o.patients <= 100'000, "synth: patients = ", o.patients,
                      " of chest films is not in 5..100000");
  require<UsageError>(o.films >= 1 && o.films <= 100, "synth: films = ", o.films, " is not in 1..100");
  require<UsageError>(o.size >= 16 && o.size <= 4096, "synth: size = ", o.size,
                      " of a chest film is not in 16..4096");
  for (const double share : {o.strength, o.confound, o.lateral})
    require<UsageError>(share >= 0 && share <= 1, "synth: strength, confound and lateral are ", o.strength,
                        ", ", o.confound, " and ", o.lateral, "; each is in 0..1");
}

// Chance of something that goes with a finding as strongly as `confound` says.
double chance_with(bool there, double confound) { return there ? .5 + confound / 2 : .5 - confound / 2; }

}  // namespace

std::string SynthChestFilm::image() const {
  char name[32];
  std::snprintf(name, sizeof name, "%08d_%03d.png", patient, follow_up);
  return name;
}

std::vector<SynthChestFilm> synth_chest_patient(const SynthChestOptions& o, int patient) {
  check_chest(o);
  require<UsageError>(patient >= 1 && patient <= o.patients, "synth: patient ", patient, " of ", o.patients);
  const auto number = static_cast<std::uint64_t>(patient);
  RandomStream person(o.seed, stream_id(person_stream, number));
  const Body body = body_of(person);
  std::vector<ChestSign> ill;
  for (const int label : shown_labels) {
    const bool there = person.chance(label == pneumothorax ? .22f : .18f);
    RandomStream place(o.seed, stream_id(person_stream, number, static_cast<std::uint64_t>(1 + label)));
    if (there) ill.push_back(sign_of(label, body, place));
  }
  const bool test = patient > o.patients - o.patients / 5, male = person.chance(.5f);
  const double confound = test ? 0 : o.confound;
  const auto has = [](const std::vector<ChestSign>& signs, int label) {
    return std::ranges::any_of(signs, [&](const ChestSign& s) { return s.label == label; });
  };
  const char site = person.uniform() < chance_with(has(ill, effusion), confound) ? 'B' : 'A';
  const int age = 20 + static_cast<int>(person.below(65));
  const auto count = static_cast<int>(1 + person.below(static_cast<std::uint64_t>(o.films)));
  std::vector<SynthChestFilm> films;
  for (int f = 0; f < count; ++f) {
    RandomStream random(o.seed, stream_id(exposure_stream, number, static_cast<std::uint64_t>(f)));
    SynthChestFilm film;
    film.patient = patient;
    film.follow_up = f;
    film.male = male;
    film.test = test;
    film.age = age + f / 4;
    film.site = site;
    film.view = random.uniform() < o.lateral ? "LL" : random.chance(.4f) ? "AP" : "PA";
    for (const ChestSign& sign : ill)
      if (random.chance(.8f) && film.view != "LL") film.signs.push_back(sign);
    film.marker = random.uniform() < chance_with(has(film.signs, pneumothorax), confound);
    expose(film, body, o, random);
    films.push_back(std::move(film));
  }
  return films;
}

}  // namespace gadolin::chestxray
