// From films to pictures: windows, crops, flips, the map that moves boxes, settings as text.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "apps/mammography/film.h"
#include "apps/mammography/film_component.h"
#include "apps/mammography/preparation.h"
#include "apps/mammography/synth_mammo.h"
#include "data/dicom/dicom.h"
#include "io/bytes.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
using namespace gadolin::mammography;

// Air of 0, a breast of 100 to 115 at the left edge, a label of 200 at the right one.
PhysicalImage small_film() {
  PhysicalImage film{8, 6, std::vector<float>(48), false};
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x)
      film.values[static_cast<std::size_t>(8 * (y + 1) + x)] = static_cast<float>(100 + 4 * y + x);
  film.values[7] = 200;
  return film;
}
PhysicalImage mirrored(const PhysicalImage& film) {
  PhysicalImage out = film;
  for (int y = 0; y < film.height; ++y) {
    const auto row = out.values.begin() + static_cast<std::ptrdiff_t>(y) * film.width;
    std::reverse(row, row + film.width);
  }
  return out;
}
PhysicalImage negative(PhysicalImage film) {
  for (float& v : film.values) v = 4095 - v;
  film.inverted = true;
  return film;
}

TEST(MammographyFilm, WindowInsideTheBreast) {
  const FilmPicture p = prepare_film(small_film(), {}, "a");
  EXPECT_EQ(p.crop, (Box{0, 1, 4, 4})) << "the label is not the breast";
  EXPECT_EQ(p.black, 100);
  EXPECT_EQ(p.white, 114) << "rank 14 of 0 to 15 is the 99.9th percentile";
  EXPECT_EQ(p.wall, Wall::left);
  ASSERT_EQ(p.image.bits, 16);
  const auto* v = p.image.data<std::uint16_t>();
  EXPECT_EQ(v[0], 0);
  EXPECT_EQ(v[7], 32768) << "107 is the middle";
  EXPECT_EQ(v[14], 65535);
  EXPECT_EQ(v[15], 65535);
  FilmSettings s;
  s.bits = 8;
  s.crop = false;
  const FilmPicture whole = prepare_film(small_film(), s, "a");
  EXPECT_EQ(whole.crop, (Box{0, 0, 8, 6}));
  EXPECT_EQ(whole.image.pixels[8 * 2 + 3], 128) << "107, in the second row of the breast";
  EXPECT_EQ(whole.image.pixels[7], 255) << "the label";
  EXPECT_EQ(whole.image.pixels[6], 0);
  s.low = 25;
  s.high = 75;
  const FilmPicture half = prepare_film(small_film(), s, "a");
  EXPECT_EQ(half.black, 103) << "rank 3.75, cut";
  EXPECT_EQ(half.white, 111);
}

// D9: inverted once, after the window; air is 0 in both of a pair.
TEST(MammographyFilm, AFilmAndItsNegativeAreOnePicture) {
  for (const bool crop : {true, false}) {
    FilmSettings s;
    s.crop = crop;
    const FilmPicture a = prepare_film(small_film(), s, "a"),
                      b = prepare_film(negative(small_film()), s, "b");
    EXPECT_EQ(a.image, b.image);
    EXPECT_EQ(a.crop, b.crop);
    EXPECT_TRUE(b.inverted);
    EXPECT_EQ(b.black, 4095 - a.black);
  }
  if (!dicom_available()) return;
  // The same from DICOM files that have a window, which is not used.
  SynthMammogram film;
  for (int p = 0; film.pixels.pixels.empty() || !film.inverted; ++p)
    film = synth_mammogram({.size = 128}, p, true, true);
  Image other = film.pixels;
  for (std::size_t i = 0; i < other.numel(); ++i)
    other.data<std::uint16_t>()[i] = static_cast<std::uint16_t>(4095 - other.data<std::uint16_t>()[i]);
  SynthTexts texts = synth_mammo_texts("p", "1.2.3", "1.2.4", "1.2.5");
  texts.emplace_back(dicom::window_center, "1000");
  texts.emplace_back(dicom::window_width, "100");
  std::vector<Image> pictures;
  for (const auto& [pixels, inverted] : {std::pair(film.pixels, true), std::pair(other, false)}) {
    const std::string file = synth_mammo_dicom(texts, pixels, 12, inverted);
    const PhysicalImage values =
        read_film({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}, "film");
    EXPECT_EQ(values.inverted, inverted);
    FilmSettings s;
    s.crop = false;
    pictures.push_back(prepare_film(values, s, "film").image);
  }
  EXPECT_EQ(pictures[0], pictures[1]);
  EXPECT_EQ(sample_at(pictures[0], static_cast<std::size_t>(pictures[0].width) - 1), 0u) << "air";
}

TEST(MammographyFilm, PaddingIsAir) {
  PhysicalImage film = small_film();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  film.values[6] = film.values[8 + 1] = nan;
  FilmSettings s;
  s.crop = false;
  for (PhysicalImage f : {film, negative(film)}) {
    const Image image = prepare_film(f, s, "a").image;
    EXPECT_EQ(sample_at(image, 6), 0u);
    EXPECT_EQ(sample_at(image, 9), 0u);
    EXPECT_GT(sample_at(image, 10), 0u);
  }
}

TEST(MammographyFilm, FlipPutsTheChestWallLeft) {
  FilmSettings s;
  s.flip = true;
  const FilmPicture left = prepare_film(small_film(), s, "a"),
                    right = prepare_film(mirrored(small_film()), s, "b");
  EXPECT_FALSE(left.flipped);
  EXPECT_TRUE(right.flipped);
  EXPECT_EQ(right.wall, Wall::right);
  EXPECT_EQ(left.image, right.image);
}

// The map says of each pixel of the picture where it was on the film; boxes go there and back.
TEST(MammographyFilm, TheMapMovesBoxes) {
  const PhysicalImage film = mirrored(small_film());
  for (const bool crop : {true, false}) {
    for (const bool flip : {true, false}) {
      FilmSettings s;
      s.crop = crop;
      s.flip = flip;
      const FilmPicture p = prepare_film(film, s, "a");
      const Affine back = p.map.inverse();
      for (int y = 0; y < p.image.height; ++y) {
        for (int x = 0; x < p.image.width; ++x) {
          const Point at = back({x + 0.5, y + 0.5});
          const float v = film.values[static_cast<std::size_t>(at.y) * 8 + static_cast<std::size_t>(at.x)];
          const double share = std::clamp((v - 100.0) / 14, 0.0, 1.0);
          EXPECT_EQ(sample_at(p.image, static_cast<std::size_t>(y * p.image.width + x)),
                    static_cast<std::uint32_t>(share * 65535 + 0.5));
        }
      }
      const Corners box{5, 2, 7.5, 4};
      const MovedBox there = moved(box, p.map, p.image.width, p.image.height);
      EXPECT_EQ(there.inside, 1);
      EXPECT_EQ(moved(there.box, back, 8, 6).box, box);
    }
  }
  EXPECT_EQ(moved({0, 0, 3, 3}, prepare_film(film, {}, "a").map, 4, 4).inside, 0) << "cropped away";
}

TEST(MammographyFilm, TheLargestComponentStays) {
  std::vector<bool> mask(36);
  const auto set = [&](std::initializer_list<int> at) {
    for (const int i : at) mask[static_cast<std::size_t>(i)] = true;
  };
  EXPECT_EQ(keep_largest(mask, 6, 6).pixels, 0);
  set({0, 7, 14, 9, 10, 33, 34, 35, 29});  // a diagonal with 9, 10 to its right; four below
  const Component kept = keep_largest(mask, 6, 6);
  EXPECT_EQ(kept.pixels, 5) << "14 and 9 touch by their corners";
  EXPECT_EQ(kept.box, (Box{0, 0, 5, 3}));
  EXPECT_EQ(std::count(mask.begin(), mask.end(), true), 5);
  // A comb, whose teeth meet in the last row alone.
  mask.assign(36, false);
  for (int i = 0; i < 36; ++i) mask[static_cast<std::size_t>(i)] = i % 2 == 0 || i >= 30;
  EXPECT_EQ(keep_largest(mask, 6, 6).pixels, 21);
}

TEST(MammographyFilm, MetalIsNoBreast) {
  PhysicalImage film{40, 30, std::vector<float>(1200, 5), false};
  for (int y = 10; y < 30; ++y)
    for (int x = 0; x < 25; ++x)
      film.values[static_cast<std::size_t>(40 * y + x)] = static_cast<float>(300 + (x * y) % 50);
  for (int y = 0; y < 5; ++y)
    for (int x = 32; x < 40; ++x) film.values[static_cast<std::size_t>(40 * y + x)] = 4000;
  EXPECT_EQ(find_breast(film, "a").box, (Box{0, 10, 25, 20}));
}

TEST(MammographyFilm, Mistakes) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message_of<DataError>([] {
              prepare_film({2, 1, {nan, nan}, false}, {}, "a.dcm");
            }),
            "film: a.dcm: there is nothing but padding");
  EXPECT_EQ(message_of<DataError>([] {
              prepare_film({2, 1, {7, 7}, false}, {}, "a.dcm");
            }),
            "film: a.dcm: every value is 7; nothing can be seen");
  EXPECT_EQ(
      message_of<DataError>([] {
        prepare_film({4, 1, {0, 0, 1, 1}, false}, {}, "a.dcm");
      }),
      "film: a.dcm: the breast has the value 1 from percentile 0.1 to 99.9; is it a mask, or a film of few "
      "values?");
}

TEST(MammographyFilm, SettingsAsText) {
  FilmSettings s;
  EXPECT_EQ(to_text(s), R"({"percentiles":[0.1,99.9],"crop":"breast","flip":"none","bits":16})");
  for (const bool crop : {true, false}) {
    s = {1.5, 90, crop, !crop, 8};
    EXPECT_EQ(film_settings_of_text(to_text(s), "x"), s);
  }
  const auto says = [](const std::string& text) {
    return message_of<DataError>([&] { film_settings_of_text(text, "checkpoint"); });
  };
  EXPECT_EQ(says("{"), "checkpoint: no JSON");
  EXPECT_EQ(says("[1]"), "checkpoint: settings of films are an object");
  EXPECT_EQ(says(R"({"crop":"breast"})"), "checkpoint: there is no \"percentiles\"");
  // D8: YES is no flip.
  EXPECT_EQ(says(R"({"percentiles":[0.1,99.9],"crop":"breast","flip":"YES","bits":16})"),
            "checkpoint: \"flip\" is \"YES\"; needed is \"left\" or \"none\"");
  EXPECT_EQ(says(R"({"percentiles":[99.9,0.1],"crop":"breast","flip":"none","bits":16})"),
            "checkpoint: \"percentiles\" is [99.9,0.1]; needed is two rising numbers from 0 to 100");
  EXPECT_EQ(says(R"({"percentiles":[0.1,99.9],"crop":true,"flip":"none","bits":16})"),
            "checkpoint: \"crop\" is true; needed is \"breast\" or \"none\"");
  EXPECT_EQ(says(R"({"percentiles":[0.1,99.9],"crop":"breast","flip":"none","bits":12})"),
            "checkpoint: \"bits\" is 12; needed is 8 or 16");
  EXPECT_EQ(says(R"({"percentiles":[0.1,99.9],"crop":"breast","flip":"none","bits":16,"gamma":2})"),
            "checkpoint: \"gamma\" is unknown");
  const Scratch dir;
  const auto read = [&](const std::string& text) {
    return message_of<DataError>([&] { read_preparation(dir.write("p.json", text)); });
  };
  EXPECT_EQ(read("{}"), dir / "p.json" + " is no preparation.json of mammography convert");
  EXPECT_EQ(read(R"({"form":"other","settings":{}})"),
            dir / "p.json" + " is of the form \"other\", not \"gadolin mammography 1\"");
}

std::vector<std::uint8_t> shared_file(const std::string& name) {
  const std::string path = fixture("../../../shared/data/" + name);
  std::error_code error;
  return std::filesystem::exists(path, error) ? read_bytes(path) : std::vector<std::uint8_t>();
}

// Real films: a biopsy's with a metal plate, brighter than any tissue; and pairs of MLO films.
TEST(MammographyFilm, RealFilms) {
  const auto biopsy = shared_file("dicom-fodicom/OutOfBoundsOverlay.dcm");
  const auto right = shared_file("mammo-mini-mias/pgm/mdb001.pgm"),
             left = shared_file("mammo-mini-mias/pgm/mdb002.pgm");
  if (biopsy.empty() || right.empty()) GTEST_SKIP() << "no real films here";
  if (dicom_available()) {
    const PhysicalImage film = read_film(biopsy, "OutOfBoundsOverlay.dcm");
    const Breast breast = find_breast(film, "OutOfBoundsOverlay.dcm");
    EXPECT_EQ(breast.box.x, 0) << "the plate is at the right";
    EXPECT_GT(breast.box.y, 150) << "and reaches the upper edge";
    EXPECT_EQ(breast.box.y + breast.box.height, film.height);
    EXPECT_GT(breast.box.width, 1200);
  }
  const FilmPicture r = prepare_film(read_film(right, "mdb001"), {}, "mdb001"),
                    l = prepare_film(read_film(left, "mdb002"), {}, "mdb002");
  EXPECT_EQ(r.wall, Wall::right) << "odd numbers are right breasts";
  EXPECT_EQ(l.wall, Wall::left);
  EXPECT_EQ(r.crop, (Box{366, 1, 403, 797}));
  EXPECT_EQ(r.black, 80);
  EXPECT_EQ(r.white, 216);
}

}  // namespace
}  // namespace gadolin::test
