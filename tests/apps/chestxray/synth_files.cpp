// What `data synth chest` writes: the same bytes every time, signs where their boxes say, tables that prepare
// reads, and what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "apps/chestxray/nih_division.h"
#include "apps/chestxray/synth_chest.h"
#include "data/dicom/dicom.h"
#include "data/dicom/tags.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;
using namespace gadolin::chestxray;

TEST(SynthChest, SeedDecidesEveryByte) {
  const SynthChestOptions small{.patients = 10, .size = 32, .seed = 5};
  SynthChestOptions other = small;
  other.seed = 6;
  const auto a = synth_chest_patient(small, 3), b = synth_chest_patient(small, 3);
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(a[0].pixels, b[0].pixels);
  EXPECT_NE(a[0].pixels, synth_chest_patient(other, 3)[0].pixels);
  EXPECT_NE(a[0].pixels, synth_chest_patient(small, 4)[0].pixels);
  EXPECT_EQ(a[0].image(), "00000003_000.png");
}

double mean_light(const Image& film, const ChestSign& s, bool mirrored) {
  double sum = 0, count = 0;
  for (int y = 0; y < film.height; ++y)
    for (int x = 0; x < film.width; ++x) {
      const double u = (x + .5) / film.width, v = (y + .5) / film.height, cx = mirrored ? 1 - s.x : s.x;
      if (std::hypot((u - cx) / s.rx, (v - s.y) / s.ry) > .7) continue;
      sum += film.row<std::uint8_t>(y)[x];
      ++count;
    }
  return sum / count;
}

// The place of a sign against the same place in the other lung; sides of what has one; several films, both
// sexes and views, test patients at the end.
TEST(SynthChest, SignsAreWhereTheyAreSaidToBe) {
  const SynthChestOptions options{.patients = 120, .size = 64, .seed = 1, .lateral = 0.1};
  std::map<int, int> count;
  std::map<std::string, int> views;
  std::map<int, double> brighter;
  int films = 0, several = 0, men = 0;
  for (int p = 1; p <= options.patients; ++p) {
    const auto all = synth_chest_patient(options, p);
    several += all.size() > 1;
    for (const SynthChestFilm& film : all) {
      ++films;
      ++views[film.view];
      men += film.male;
      EXPECT_EQ(film.test, p > 96);
      EXPECT_TRUE(film.view != "LL" || film.signs.empty());
      for (const ChestSign& s : film.signs) {
        ++count[s.label];
        EXPECT_TRUE(s.label != 0 || s.x > .6) << s.x;
        EXPECT_TRUE(s.label != 2 || s.x < .4) << s.x;
        if (s.label != 1)
          brighter[s.label] += mean_light(film.pixels, s, false) - mean_light(film.pixels, s, true);
      }
    }
  }
  EXPECT_GT(several, 60);
  EXPECT_GT(views["LL"], films / 20);
  EXPECT_GT(views["AP"], films / 4);
  EXPECT_GT(men, films / 4);
  for (const int label : {0, 1, 2, 4, 9, 11, 14}) EXPECT_GT(count[label], 15) << label;
  for (const int label : {4, 9, 11}) EXPECT_GT(brighter[label] / count[label], 30) << label;
  EXPECT_LT(brighter[14] / count[14], -15) << "a black apex";
}

TEST(SynthChest, AMarkerGoesWithAFindingButNotOnTheTestList) {
  const SynthChestOptions options{.patients = 150, .size = 16, .seed = 1, .confound = 1};
  int agree = 0, all = 0, agree_test = 0, all_test = 0, site = 0, people = 0;
  for (int p = 1; p <= options.patients; ++p)
    for (const SynthChestFilm& film : synth_chest_patient(options, p)) {
      const auto has = [&](int label) {
        return std::ranges::any_of(film.signs, [&](const ChestSign& s) { return s.label == label; });
      };
      (film.test ? agree_test : agree) += film.marker == has(14);
      (film.test ? all_test : all) += 1;
      if (film.test || !has(4)) continue;
      site += film.site == 'B';
      ++people;
    }
  EXPECT_EQ(agree, all);
  EXPECT_NEAR(static_cast<double>(agree_test) / all_test, 0.5, 0.2);
  EXPECT_EQ(site, people);
}

// From nothing to a manifest, with both kinds of files; boxes and confounders stand beside.
TEST(SynthChest, PrepareReadsWhatItWrites) {
  const Scratch dir;
  for (const bool dicom : {false, true}) {
    if (dicom && !dicom_available()) continue;
    const std::string folder = dir / (dicom ? "dcm" : "png"), out = folder + "-out";
    std::vector<std::string> args{"data", "synth", "chest", folder, "--patients", "20", "--size", "32"};
    if (dicom) args.push_back("--dicom");
    const Outcome made = run_here(args);
    ASSERT_EQ(made.code, 0) << made.err;
    ASSERT_EQ(run_here({"chestxray", "prepare", folder, out}).code, 0);
    const CsvTable manifest = read_csv(out + "/manifest.csv"),
                   boxes = read_csv(folder + "/BBox_List_2017.csv"), more = read_csv(folder + "/made_up.csv");
    std::int64_t findings = 0;
    for (const auto& row : manifest.rows)
      findings += row[2] == "No Finding" ? 0 : 1 + std::ranges::count(row[2], '|');
    EXPECT_EQ(std::ssize(boxes.rows), findings);
    EXPECT_EQ(more.header, (std::vector<std::string>{"Image Index", "site", "marker"}));
    EXPECT_EQ(more.rows.size(), manifest.rows.size());
    EXPECT_NE(made.out.find(cat(manifest.rows.size(), " chest films of 20 made-up patients")),
              std::string::npos);
    EXPECT_TRUE(manifest.rows[0][0].ends_with(dicom ? ".dcm" : ".png"));
    if (!dicom) continue;
    const std::vector<std::uint8_t> bytes = read_bytes(folder + "/images_001/images/00000001_000.dcm");
    const DicomFile file({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "film");
    EXPECT_EQ(file.text(dicom::patient_id), "1");
    EXPECT_EQ(file.text(dicom::view_position), manifest.rows[0][6]);
    const Image film = decode_image(bytes, "film");
    EXPECT_EQ(film.width, 32);
    // The same picture as the PNG, in 12 bits.
    const Image png = decode_image(read_bytes(dir / "png/images_001/images/00000001_000.png"), "film");
    EXPECT_EQ(png.width, film.width);
  }
}

TEST(SynthChest, Mistakes) {
  const auto said = [](const SynthChestOptions& o, int patient = 1) {
    return message_of<UsageError>([&] { synth_chest_patient(o, patient); });
  };
  EXPECT_EQ(said({.patients = 4}), "synth: patients = 4 of chest films is not in 5..100000");
  EXPECT_EQ(said({.films = 0}), "synth: films = 0 is not in 1..100");
  EXPECT_EQ(said({.size = 8}), "synth: size = 8 of a chest film is not in 16..4096");
  EXPECT_EQ(said({.strength = 2}), "synth: strength, confound and lateral are 2, 0 and 0; each is in 0..1");
  EXPECT_EQ(said({.patients = 9}, 10), "synth: patient 10 of 9");
}

}  // namespace
}  // namespace gadolin::test
