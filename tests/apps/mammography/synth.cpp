// Made-up mammograms: the same bytes every time, lesions where their masks and contours say, both archives'
// forms.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "apps/mammography/synth_mammo.h"
#include "data/dicom/dicom.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;
using namespace gadolin::mammography;

std::vector<std::string> all_files(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(folder).string());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(SynthMammo, SeedDecidesEveryByte) {
  const SynthMammoOptions small{.patients = 4, .size = 128, .seed = 5};
  SynthMammoOptions other = small;
  other.seed = 6;
  const SynthMammogram a = synth_mammogram(small, 1, true, true);
  EXPECT_EQ(a.pixels, synth_mammogram(small, 1, true, true).pixels);
  EXPECT_NE(a.pixels, synth_mammogram(other, 1, true, true).pixels);
  EXPECT_NE(a.pixels, synth_mammogram(small, 1, true, false).pixels);
  EXPECT_EQ(a.pixels.width, 104);
}

// One breast of a patient has lesions, of the same kinds in both views; they are brighter than what is
// around.
TEST(SynthMammo, LesionsAreSeen) {
  const SynthMammoOptions small{.patients = 30, .size = 256, .seed = 1};
  int abnormal = 0, masses = 0, clusters = 0, inverted = 0;
  for (int p = 0; p < small.patients; ++p) {
    std::size_t counts[2] = {};
    for (const bool left : {true, false}) {
      for (const bool cc : {true, false}) {
        const SynthMammogram film = synth_mammogram(small, p, left, cc);
        inverted += film.inverted;
        counts[left] += film.lesions.size();
        for (const SynthLesion& lesion : film.lesions) {
          (lesion.mass ? masses : clusters) += 1;
          const Image mask = synth_mask(lesion, film.pixels.width, film.pixels.height);
          double in = 0, out = 0, count_in = 0, count_out = 0;
          const int x = static_cast<int>(lesion.centre.x), y = static_cast<int>(lesion.centre.y),
                    r = static_cast<int>(1.8 * lesion.radius);
          for (int v = y - r; v < y + r; ++v) {
            for (int u = std::max(0, x - r); u < std::min(x + r, film.pixels.width); ++u) {
              const int stored = film.pixels.row<std::uint16_t>(v)[u],
                        seen = film.inverted ? 4095 - stored : stored;
              const bool inside = mask.row<std::uint8_t>(v)[u] != 0;
              (inside ? in : out) += seen;
              (inside ? count_in : count_out) += 1;
            }
          }
          EXPECT_GT(in / count_in, out / count_out + 150) << p;
        }
      }
    }
    EXPECT_TRUE(counts[0] == 0 || counts[1] == 0) << "both breasts of " << p;
    abnormal += counts[0] + counts[1] > 0;
  }
  EXPECT_GT(abnormal, 10);
  EXPECT_LT(abnormal, 25);
  EXPECT_GT(masses, 8);
  EXPECT_GT(clusters, 8);
  EXPECT_GT(inverted, 10);
}

TEST(SynthMammo, BothForms) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const Scratch dir;
  const Outcome inbreast = run_here(
      {"data", "synth", "mammo", dir / "inbreast", "--patients", "3", "--size", "128", "--seed", "2"});
  ASSERT_EQ(inbreast.code, 0) << inbreast.err;
  EXPECT_NE(inbreast.out.find("12 films of 3 made-up patients"), std::string::npos) << inbreast.out;
  const auto files = all_files(dir / "inbreast");
  EXPECT_EQ(std::count_if(files.begin(), files.end(), [](const auto& f) { return f.ends_with("_ANON.dcm"); }),
            12);
  EXPECT_EQ(files.back(), "INbreast.csv");
  ASSERT_EQ(
      run_here({"data", "synth", "mammo", dir / "again", "--patients", "3", "--size", "128", "--seed", "2"})
          .code,
      0);
  for (const std::string& file : files)
    EXPECT_EQ(contents_of(dir / "again/" + file), contents_of(dir / "inbreast/" + file)) << file;
  const std::string film = contents_of(dir / "inbreast/" + files[0]);
  const DicomFile dicom(film, "made up");
  EXPECT_EQ(dicom.text(dicom::image_laterality), "L");
  EXPECT_EQ(dicom.text(dicom::view_position), "CC");
  EXPECT_EQ(read_dicom_image(dicom).bits_stored, 12);
  EXPECT_TRUE(dicom.warnings().empty()) << dicom.warnings()[0];

  ASSERT_EQ(run_here({"data", "synth", "mammo", dir / "cbis", "--layout", "cbis-ddsm", "--patients", "6",
                      "--size", "128"})
                .code,
            0);
  const auto tree = all_files(dir / "cbis");
  EXPECT_GT(tree.size(), 10u);
  EXPECT_TRUE(fs::exists(dir / "cbis/mass_case_description_train_set.csv"));
}

TEST(SynthMammo, Mistakes) {
  if (dicom_available()) {
    const SynthTexts texts{{dicom::series_description, std::string(100'000, 'x')}};
    EXPECT_EQ(message_of<ValueError>([&] { synth_mammo_dicom(texts, Image(2, 2, 1, 16), 12, false); }),
              "synth: these texts do not fit into a DICOM file");
  }
  const auto says = [](SynthMammoOptions o) {
    return message_of<UsageError>([&] { synth_mammogram(o, 0, true, true); });
  };
  EXPECT_EQ(says({.patients = 0}), "synth: patients = 0 is not in 1..10000");
  EXPECT_EQ(says({.size = 100}), "synth: size = 100 of a mammogram is not in 128..8192");
  EXPECT_EQ(says({.abnormal = 2}), "synth: abnormal = 2 is not in 0..1");
  EXPECT_EQ(says({.faults = {"holes"}}),
            "synth: fault holes is unknown; use swapped, mask-size, aspect, unmatched, uids or side");
  EXPECT_EQ(
      last_line(run_here({"data", "synth", "mammo", "x", "--faults", "swapped,holes"}), "/nowhere"),
      "--faults holes is unknown; use swapped, mask-size, aspect, unmatched, uids or side [GD-USAGE-001]");
  EXPECT_EQ(last_line(run_here({"data", "synth", "mammo", "x", "--layout", "ddsm"}), "/nowhere"),
            "--layout ddsm is unknown; use inbreast or cbis-ddsm [GD-USAGE-001]");
}

}  // namespace
}  // namespace gadolin::test
