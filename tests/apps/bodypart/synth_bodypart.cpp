// Made-up radiographs: the same bytes every time, files that DICOM's rules allow, what is in them.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <numeric>
#include <set>

#include "apps/bodypart/synth_anatomy.h"
#include "apps/bodypart/synth_bodypart.h"
#include "data/dicom/dicom.h"
#include "io/atomic_file.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

struct SynthBodypart : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};
constexpr SynthBodypartOptions small{.patients = 12, .images_per_patient = 7, .size = 48, .seed = 3};

TEST_F(SynthBodypart, SeedDecidesEveryByte) {
  const std::string once = synth_dicom(synth_film(small, 5, 2));
  EXPECT_EQ(synth_dicom(synth_film(small, 5, 2)), once);
  SynthBodypartOptions other = small;
  other.seed = 4;
  const SynthFilm a = synth_film(small, 5, 2), b = synth_film(other, 5, 2), c = synth_film(small, 5, 3),
                  d = synth_film(small, 6, 2);
  EXPECT_NE(a.pixels, b.pixels);
  EXPECT_NE(a.instance_uid, b.instance_uid);
  EXPECT_EQ(a.study_uid, c.study_uid) << "one study a patient";
  EXPECT_EQ(a.birth_date, c.birth_date);
  EXPECT_NE(a.study_uid, d.study_uid);
  EXPECT_NE(a.patient_id, d.patient_id);
  // The number of patients does not change those who are there.
  other = small;
  other.patients = 1;
  EXPECT_EQ(synth_film(other, 0, 1).pixels, synth_film(small, 0, 1).pixels);
}

TEST_F(SynthBodypart, FilesSayWhatWasDrawn) {
  std::map<std::string, int> parts, seen;
  std::set<std::string> uids;
  for (int p = 0; p < small.patients; ++p) {
    for (int i = 0; i < small.images_per_patient; ++i) {
      const SynthFilm film = synth_film(small, p, i);
      const std::string bytes = synth_dicom(film);
      const DicomFile file(bytes, "made up");
      EXPECT_EQ(file.transfer_syntax(), film.transfer_syntax);
      EXPECT_EQ(file.text(dicom::body_part), film.body_part);
      EXPECT_EQ(file.text(dicom::patient_id), film.patient_id);
      EXPECT_EQ(file.text(dicom::media_storage_sop_instance), file.text(dicom::sop_instance));
      EXPECT_EQ(file.text(dicom::media_storage_sop_class), file.text(dicom::sop_class));
      for (const DicomTag tag : {dicom::sop_instance, dicom::series_instance}) {
        EXPECT_TRUE(uids.insert(file.text(tag)).second) << "a UID came twice";
        EXPECT_LE(file.text(tag).size(), 64u);
      }
      // What comes out of the decoder is what went into DCMTK's encoder.
      const DicomImage image = read_dicom_image(file);
      ASSERT_EQ(image.samples.shape(), (Shape{1, small.size, small.size}));
      EXPECT_EQ(image.bits_stored, film.bits);
      const auto* v = image.samples.data<std::int32_t>();
      std::int64_t wrong = 0;
      for (std::size_t k = 0; k < film.pixels.numel(); ++k) {
        wrong += v[k] != (film.bits == 8 ? film.pixels.data<std::uint8_t>()[k]
                                         : film.pixels.data<std::uint16_t>()[k]);
      }
      EXPECT_EQ(wrong, 0) << film.transfer_syntax << ", " << film.bits << " bits";
      ++parts[film.body_part];
      ++seen[film.transfer_syntax];
      ++seen[cat(film.bits, " bits")];
      ++seen[film.inverted ? "MONOCHROME1" : "MONOCHROME2"];
      ++seen[film.window_width > 0 ? "window" : "no window"];
      ++seen[film.modality];
    }
  }
  ASSERT_EQ(parts.size(), 7u);
  for (const auto& [part, count] : parts) EXPECT_EQ(count, 12) << part;
  EXPECT_EQ(seen.size(), 4u + 5 + 2 + 2 + 2)
      << "a transfer syntax, depth, interpretation, window or modality never comes";
}

// Bright where rays were held back, whatever is stored: a head is brighter than the picture around it.
TEST_F(SynthBodypart, ShownTheRightWayRound) {
  const int head = 3;
  ASSERT_EQ(synth_body_parts()[head], "HEAD");
  std::map<bool, std::vector<double>> above;  // by whether it is stored inverted
  for (int p = 0; p < small.patients; ++p) {
    const SynthFilm film = synth_film(small, p, head);
    const std::string bytes = synth_dicom(film);
    const Image shown = to_image(read_dicom_image(DicomFile(bytes, "made up")));
    double middle = 0, all = 0;
    for (int y = 0; y < small.size; ++y) {
      for (int x = 0; x < small.size; ++x) {
        const double v = shown.row<std::uint8_t>(y)[x];
        all += v / (small.size * small.size);
        if (x >= 20 && x < 28 && y >= 16 && y < 24) middle += v / 64;
      }
    }
    above[film.inverted].push_back(middle - all);
  }
  ASSERT_EQ(above.size(), 2u);
  // Single ones may lie in a broad white frame.
  for (const auto& [inverted, lead] : above)
    EXPECT_GT(std::accumulate(lead.begin(), lead.end(), 0.0) / static_cast<double>(lead.size()), 30)
        << inverted;
}

TEST_F(SynthBodypart, FolderOfPatients) {
  const Scratch dir;
  write_synth_bodypart(dir / "films", {.patients = 2, .images_per_patient = 3, .size = 32, .seed = 1});
  const DicomIndex index = index_dicom(dir / "films");
  EXPECT_EQ(index.files, 6);
  EXPECT_EQ(index.failed, 0);
  EXPECT_TRUE(fs::exists(dir / "films/PAT0001/IM0002.dcm"));
  const auto patient = static_cast<std::size_t>(index.table.column("patient_id"));
  std::set<std::string> patients;
  for (const auto& row : index.table.rows) patients.insert(row[patient]);
  EXPECT_EQ(patients.size(), 2u);
}

TEST_F(SynthBodypart, Mistakes) {
  const Scratch dir;
  const auto with = [&](SynthBodypartOptions o) {
    return message_of<UsageError>([&] { write_synth_bodypart(dir / "new", o); });
  };
  EXPECT_EQ(with({.patients = 10'001}), "synth: patients = 10001 is not in 1..10000");
  EXPECT_EQ(with({.images_per_patient = 0}), "synth: images per patient = 0 is not in 1..10000");
  EXPECT_EQ(with({.size = 31}), "synth: size = 31 of a radiograph is not in 32..4096");
  EXPECT_FALSE(fs::exists(dir / "new")) << "a mistake left a folder";
  dir.write("file", "x");
  EXPECT_EQ(
      message_of<FileError>([&] { write_synth_bodypart(dir / "file", small); }),
      "synth: " + dir.path() + "/file/PAT0000: not a directory; a part of the path is a file, not a folder");
  SynthFilm film = synth_film(small, 0, 0);
  film.transfer_syntax = "1.2.840.10008.1.2.4.90";
  EXPECT_EQ(message_of<ValueError>([&] { synth_dicom(film); }),
            "synth: no DICOM file of transfer syntax 1.2.840.10008.1.2.4.90 can be written");
  film = synth_film(small, 0, 0);
  film.modality = "DX";
  film.body_part = "TAIL";
  EXPECT_EQ(message_of<ValueError>([&] { synth_dicom(film); }),
            "synth: body part TAIL is none of synth_body_parts()");
}

}  // namespace
}  // namespace gadolin::test
