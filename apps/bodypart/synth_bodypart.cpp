// From what rays meet to what a detector stores.
#include "apps/bodypart/synth_bodypart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "apps/bodypart/synth_anatomy.h"
#include "data/dicom/anonymize.h"
#include "data/dicom/dictionary.h"
#include "io/atomic_file.h"
#include "tensor/check.h"

namespace gadolin {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t film_purpose = 0x66696c6d, patient_purpose = 0x626f6479, facts_purpose = 0x6661637473;

void check_synth(const SynthBodypartOptions& o) {
  require<UsageError>(o.patients >= 1 && o.patients <= 10'000, "synth: patients = ", o.patients,
                      " is not in 1..10000");
  require<UsageError>(o.images_per_patient >= 1 && o.images_per_patient <= 10'000,
                      "synth: images per patient = ", o.images_per_patient, " is not in 1..10000");
  require<UsageError>(o.size >= 32 && o.size <= 4096, "synth: size = ", o.size,
                      " of a radiograph is not in 32..4096");
}

std::string numbered(const char* pattern, int a, int b = 0, int c = 0) {
  char text[48];
  std::snprintf(text, sizeof text, pattern, a, b, c);
  return text;
}

// The letter of the side in lead, 5 x 7 points a letter, as radiographers lay it beside the body.
void lay_marker(std::vector<float>& light, int size, RandomStream& film) {
  constexpr std::array<const char*, 7> letter_l{"#....", "#....", "#....", "#....",
                                                "#....", "#....", "#####"};
  constexpr std::array<const char*, 7> letter_r{"####.", "#...#", "#...#", "####.",
                                                "#.#..", "#..#.", "#...#"};
  const auto& letter = film.chance(0.5f) ? letter_l : letter_r;
  const int dot = std::max(1, size / 80), left = film.chance(0.5f) ? size / 20 : size - size / 20 - 5 * dot;
  const int top = static_cast<int>(film.uniform(0.05f, 0.85f) * static_cast<float>(size));
  for (int y = 0; y < std::min(7 * dot, size - top); ++y) {
    for (int x = 0; x < 5 * dot; ++x) {
      if (letter[static_cast<std::size_t>(y / dot)][x / dot] == '#')
        light[static_cast<std::size_t>((top + y) * size + left + x)] = 1;
    }
  }
}

// Brightness 0..1 of a developed film, bright where rays were held back: exposure, marker, noise,
// collimation.
std::vector<float> expose(std::vector<float> plane, int size, RandomStream& film) {
  const float absorb = film.uniform(0.7f, 1.5f), tone = film.uniform(0.75f, 1.35f),
              fog = film.uniform(0, 0.08f);
  for (float& v : plane) v = fog + (1 - fog) * std::pow(1 - std::exp(-absorb * v), tone);
  if (film.chance(0.5f)) lay_marker(plane, size, film);
  // Fewer rays, more noise.
  const float noise = film.uniform(0.005f, 0.03f);
  for (float& v : plane) v += noise * (0.5f + v) * static_cast<float>(film.normal());
  if (film.chance(0.5f)) {
    const float beyond = film.chance(0.5f) ? 0.f : 1.f;  // shutter, or film without rays
    std::array<int, 4> edge{};                           // left, top, right, bottom
    for (int& e : edge) e = static_cast<int>(film.uniform(0, 0.09f) * static_cast<float>(size));
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        if (x < edge[0] || y < edge[1] || x >= size - edge[2] || y >= size - edge[3])
          plane[static_cast<std::size_t>(y * size + x)] = beyond;
      }
    }
  }
  return plane;
}

}  // namespace

SynthFilm synth_film(const SynthBodypartOptions& o, int patient, int number) {
  check_synth(o);
  const auto p = static_cast<std::uint64_t>(patient);
  const std::uint64_t index =
      p * static_cast<std::uint64_t>(o.images_per_patient) + static_cast<std::uint64_t>(number);
  RandomStream body(o.seed, stream_id(patient_purpose, p)), person(o.seed, stream_id(facts_purpose, p)),
      film(o.seed, stream_id(film_purpose, index));
  const int part = static_cast<int>(index % synth_body_parts().size());
  const std::vector<float> light = expose(draw_body_part(part, o.size, body, film), o.size, film);

  SynthFilm f;
  f.body_part = synth_body_parts()[static_cast<std::size_t>(part)];
  f.number = number;
  f.modality = film.chance(0.5f) ? "CR" : "DX";
  constexpr std::array<const char*, 4> syntaxes{"1.2.840.10008.1.2", "1.2.840.10008.1.2.1",
                                                "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.70"};
  f.transfer_syntax = syntaxes[film.below(syntaxes.size())];
  f.patient_id = numbered("SYN%06d", patient);
  f.patient_name = numbered("Synthetic^P%06d", patient);
  f.sex = person.chance(0.5f) ? "F" : "M";
  const auto draw = [&](int from, int count) {
    return from + static_cast<int>(person.below(static_cast<std::uint64_t>(count)));
  };
  const int year = draw(1930, 70), month = draw(1, 12), day = draw(1, 28), when = draw(1, 12);
  f.birth_date = numbered("%04d%02d%02d", year, month, day);
  f.study_date = numbered("2020%02d%02d", when, draw(1, 28));
  const std::string key = cat("gadolin synth bodypart ", o.seed);
  f.study_uid = replaced_uid(cat("study ", patient), key);
  f.series_uid = replaced_uid(cat("series ", patient, ' ', number), key);
  f.instance_uid = replaced_uid(cat("instance ", patient, ' ', number), key);
  f.inverted = film.chance(0.4f);
  constexpr std::array<int, 5> depths{8, 10, 12, 14, 16};
  f.bits = depths[film.below(depths.size())];
  f.spacing = 400.0 / o.size;

  // The light takes up part of the range only, as real detectors leave it.
  const double white = (1 << f.bits) - 1, low = film.uniform(0, 0.25f) * white,
               high = film.uniform(0.6f, 1) * white;
  if (film.chance(0.5f) || f.modality == "DX") {  // which must have one
    f.window_width = std::round(high - low);
    f.window_center = std::round((f.inverted ? white - (low + high) / 2 : (low + high) / 2));
  }
  f.pixels = Image(o.size, o.size, 1, f.bits == 8 ? 8 : 16);
  for (std::size_t i = 0; i < light.size(); ++i) {
    const double v = std::clamp(std::round(low + static_cast<double>(light[i]) * (high - low)), 0.0, white);
    const auto stored = static_cast<std::uint16_t>(f.inverted ? white - v : v);
    if (f.bits == 8)
      f.pixels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(stored);
    else
      f.pixels.data<std::uint16_t>()[i] = stored;
  }
  return f;
}

void write_synth_bodypart(const std::string& folder, const SynthBodypartOptions& o) {
  check_synth(o);
  require_dicom("synth");
  for (int p = 0; p < o.patients; ++p) {
    const fs::path place = fs::path(folder) / numbered("PAT%04d", p);
    make_folders("synth", place.string());
    for (int i = 0; i < o.images_per_patient; ++i) {
      write_file_atomically((place / numbered("IM%04d.dcm", i)).string(), synth_dicom(synth_film(o, p, i)));
    }
  }
}

}  // namespace gadolin
