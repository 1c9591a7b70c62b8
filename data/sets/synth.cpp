// Shapes on noise, and the folder they are written to.
#include "data/sets/synth.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "data/sets/split.h"
#include "io/atomic_file.h"
#include "tensor/check.h"
#include "tensor/random.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t image_purpose = 0x73796e7468, patient_purpose = 0x70617469,
                        label_purpose = 0x6c6162656c;

// True inside shape `kind`; u and v are -1..1 across it.
bool inside(int kind, double u, double v) {
  const double r = std::sqrt(u * u + v * v);
  switch (kind) {
    case 0: return r < 0.9;
    case 1: return std::max(std::fabs(u), std::fabs(v)) < 0.8;
    case 2: return std::min(std::fabs(u), std::fabs(v)) < 0.25 && std::max(std::fabs(u), std::fabs(v)) < 0.95;
    case 3: return r < 0.95 && r > 0.6;
    case 4: return std::max(std::fabs(u), std::fabs(v)) < 0.9 && std::fmod(u + 2, 0.6) < 0.3;
    default: return v > -0.8 && v < 0.8 && std::fabs(u) < (v + 0.8) * 0.55;
  }
}

struct Blob {
  int kind;
  double x, y, radius, cosine, sine, light;
};

int patient_of(const SynthOptions& o, int sample) {
  return static_cast<int>(static_cast<std::int64_t>(sample) * o.patients / o.samples);
}

std::vector<int> labels_of(const SynthOptions& o, int sample) {
  if (!o.multi_label) return {sample % o.classes};
  RandomStream random(o.seed, stream_id(label_purpose, static_cast<std::uint64_t>(sample)));
  std::vector<int> labels;
  for (int c = 0; c < o.classes; ++c)
    if (random.chance(0.4f)) labels.push_back(c);
  return labels;
}

void check_size(const SynthOptions& o) {
  require<UsageError>(o.size >= 8 && o.size <= 4096, "synth: size = ", o.size, " is not in 8..4096");
}

}  // namespace

std::vector<std::string> synth_classes(int count) {
  const std::vector<std::string> all{"disc", "square", "cross", "ring", "stripes", "triangle"};
  require<UsageError>(count >= 1 && count <= 6, "synth: classes = ", count, " is not in 1..6");
  return {all.begin(), all.begin() + count};
}

Image synth_image(const SynthOptions& o, std::uint64_t index, std::uint64_t patient,
                  const std::vector<int>& labels) {
  check_size(o);
  RandomStream ground(o.seed, stream_id(patient_purpose, patient)),
      random(o.seed, stream_id(image_purpose, index));
  const double base = ground.uniform(50, 110), slope_x = ground.uniform(-30, 30),
               slope_y = ground.uniform(-30, 30);
  double tint[3];
  for (double& t : tint) t = ground.uniform(0.8f, 1.2f);
  std::vector<Blob> shapes;
  for (const int kind : labels) {
    const double angle = random.uniform(-0.3f, 0.3f);
    shapes.push_back({kind, random.uniform(0.3f, 0.7f), random.uniform(0.3f, 0.7f),
                      random.uniform(0.16f, 0.26f), std::cos(angle), std::sin(angle),
                      random.uniform(60, 110)});
  }
  Image image(o.size, o.size, o.colour ? 3 : 1);
  for (int y = 0; y < o.size; ++y) {
    for (int x = 0; x < o.size; ++x) {
      const double px = (x + 0.5) / o.size, py = (y + 0.5) / o.size;
      double v = base + slope_x * (px - 0.5) + slope_y * (py - 0.5) + 24 * (random.uniform() - 0.5);
      for (const Blob& s : shapes) {
        const double u = (px - s.x) / s.radius, w = (py - s.y) / s.radius;
        if (inside(s.kind, u * s.cosine + w * s.sine, w * s.cosine - u * s.sine)) v += s.light;
      }
      std::uint8_t* p = image.row<std::uint8_t>(y) + x * image.channels;
      for (int c = 0; c < image.channels; ++c) {
        p[c] = static_cast<std::uint8_t>(std::clamp(v * (o.colour ? tint[c] : 1.0), 0.0, 255.0));
      }
    }
  }
  return image;
}

void write_synth(const std::string& folder, const SynthOptions& o) {
  require<UsageError>(o.samples >= 1 && o.samples <= 1'000'000, "synth: samples = ", o.samples,
                      " is not in 1..1000000");
  require<UsageError>(o.patients >= 3 && o.patients <= o.samples, "synth: patients = ", o.patients,
                      " is not in 3..", o.samples);
  check_size(o);
  const std::vector<std::string> classes = synth_classes(o.classes);
  make_folders("synth", folder + "/images");
  std::vector<SampleInfo> samples;
  for (int i = 0; i < o.samples; ++i) {
    char name[40];
    std::snprintf(name, sizeof name, "images/%06d.%s", i, o.jpeg ? "jpg" : "png");
    SampleInfo s;
    s.name = name;
    s.path = (fs::path(folder) / name).string();
    s.patient = cat("p", patient_of(o, i));
    s.labels = labels_of(o, i);
    const Image image =
        synth_image(o, static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(patient_of(o, i)), s.labels);
    if (o.jpeg)
      write_jpeg(s.path, image, 92);
    else
      write_png(s.path, image);
    samples.push_back(std::move(s));
  }
  Dataset dataset(classes, o.multi_label, std::move(samples), folder);
  assign_splits(dataset, {.seed = o.seed});
  write_manifest((fs::path(folder) / "manifest.csv").string(), dataset);
}

}  // namespace gadolin
