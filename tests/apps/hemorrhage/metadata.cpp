// hemorrhage create-metadata: what headers tell of a series (rows G6, G7, G12, G13 and G16 of
// docs/complaints.md), and what is missing in them.
#include "apps/hemorrhage/metadata.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "io/csv.h"
#include "tests/apps/hemorrhage/ct_archive.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

// The rows of train_metadata.csv by image, and the remarks as "image: kind: text".
struct MetadataRun {
  Outcome run;
  std::map<std::string, std::map<std::string, std::string>> rows;
  std::vector<std::string> remarks;
  std::string remark(const std::string& kind) const {
    std::string all;
    for (const std::string& r : remarks)
      if (r.find(": " + kind + ": ") != std::string::npos) all += r + "\n";
    return all;
  }
};

MetadataRun metadata_run(const std::string& folder, const std::string& split = "train") {
  MetadataRun m;
  m.run = run_here({"hemorrhage", "create-metadata", "--zip_dir", folder, "--json"});
  EXPECT_EQ(m.run.code, 0) << m.run.err;
  const CsvTable table = read_csv(folder + "/" + split + "_metadata.csv");
  for (const auto& row : table.rows)
    for (std::size_t c = 0; c < row.size(); ++c) m.rows[row[0]][table.header[c]] = row[c];
  for (const auto& row : read_csv(folder + "/metadata_remarks.csv").rows)
    m.remarks.push_back(cat(row[4], ": ", row[5], ": ", row[6]));
  return m;
}

TEST(CreateMetadata, ARowForEachSlice) {
  const Scratch dir;
  write_ct_zip(dir.path(),
               {{.image = "ID_b", .z = 5, .instance = 7, .acquisition = "2", .tilt = "0"},
                {.image = "ID_a", .z = 0},
                {.image = "ID_t", .folder = "stage_2_test", .patient = "ID_q", .series = "ID_u"}});
  const MetadataRun m = metadata_run(dir.path());
  EXPECT_EQ(
      read_file(dir / "train_metadata.csv", 4000),
      "ImgID,BitsAllocated,BitsStored,HighBit,ImagePositionPatient,ImageOrientationPatient,Modality,"
      "PatientID,"
      "PhotometricInterpretation,PixelRepresentation,PixelSpacing,RescaleIntercept,RescaleSlope,Rows,Columns,"
      "SOPInstanceUID,SamplesPerPixel,SeriesInstanceUID,StudyID,StudyInstanceUID,AcquisitionNumber,"
      "InstanceNumber,GantryDetectorTilt,Pass,SlicePosition,SliceSpacing,SameAs\n"
      "ID_b,16,12,11,0\\0\\5,1\\0\\0\\0\\1\\0,CT,ID_p,MONOCHROME2,0,0.5\\0.5,-1024,1,16,16,ID_b,1,ID_s,,ID_t,"
      "2,7,0,1,5,5,\n"
      "ID_a,16,12,11,0\\0\\0,1\\0\\0\\0\\1\\0,CT,ID_p,MONOCHROME2,0,0.5\\0.5,-1024,1,16,16,ID_a,1,ID_s,,ID_t,"
      ",1,,1,0,5,\n");
  EXPECT_EQ(read_csv(dir / "test_metadata.csv").rows.size(), 1u);
  EXPECT_TRUE(m.remarks.empty()) << m.remarks[0];
  EXPECT_EQ(done(m.run)["metrics"]["series"], 2);
  const Json record = Json::parse(read_file(dir / "create_metadata.json", 4000));
  EXPECT_EQ(record["train"], 2);
  EXPECT_EQ(record["archive"].get<std::string>().size(), 64u);
}

// Shuffled names, all InstanceNumbers 1: places alone give the order; slices at one place are named.
TEST(CreateMetadata, G6OrderByPlaceAndTiesByName) {
  const Scratch dir;
  std::vector<CtSlice> slices;
  for (const int i : {10, 1, 2}) slices.push_back({.image = cat("ID_", i), .z = 5.0 * i});
  slices.push_back({.image = "ID_9", .z = 10, .stored = 1090});
  write_ct_zip(dir.path(), slices);
  const MetadataRun m = metadata_run(dir.path());
  EXPECT_EQ(m.rows.at("ID_1").at("SlicePosition"), "5");
  EXPECT_EQ(m.rows.at("ID_2").at("SlicePosition"), "10");
  EXPECT_EQ(m.rows.at("ID_10").at("SlicePosition"), "50");
  EXPECT_EQ(
      m.remark("series").substr(0, 107),
      "ID_9: series: lies where ID_2 lies and is another picture; InstanceNumber decides which comes first\n"
      "ID_10: ");
}

// 12 slices sheared by 15 degrees whose header says 0: positions are those along the normal.
TEST(CreateMetadata, G7TiltIsMeasuredNotBelieved) {
  const Scratch dir;
  const double tilt = 15 * std::numbers::pi / 180;
  std::vector<CtSlice> slices;
  for (int i = 0; i < 12; ++i)
    slices.push_back({.image = cat("ID_", (i * 7) % 12),
                      .instance = 1,
                      .tilt = "0",
                      .position = cat("0\\0\\", 5 * i),
                      .orientation = cat("1\\0\\0\\0\\", std::cos(tilt), "\\", std::sin(tilt))});
  write_ct_zip(dir.path(), slices);
  const MetadataRun m = metadata_run(dir.path());
  for (int i = 0; i < 12; ++i)
    EXPECT_NEAR(std::stod(m.rows.at(cat("ID_", (i * 7) % 12)).at("SlicePosition")), 5 * i * std::cos(tilt),
                1e-4);
  EXPECT_EQ(m.remark("series"),
            "ID_0: series: the slices are sheared by 15.0 degrees, GantryDetectorTilt says 0.0\n");
}

TEST(CreateMetadata, G12PassesAreToldApart) {
  const Scratch dir;
  std::vector<CtSlice> slices;
  for (int i = 0; i < 5; ++i)
    for (const int pass : {2, 1})
      slices.push_back({.image = cat("ID_", pass, i),
                        .z = 5.0 * i,
                        .acquisition = cat(pass + 3),
                        .stored = 1000 + 10 * i + pass});
  write_ct_zip(dir.path(), slices);
  const MetadataRun parted = metadata_run(dir.path());
  EXPECT_EQ(parted.remark("series"),
            "ID_20: series: 5 positions hold several slices; 2 passes are told apart by AcquisitionNumber\n");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(parted.rows.at(cat("ID_1", i)).at("Pass"), "1");
    EXPECT_EQ(parted.rows.at(cat("ID_2", i)).at("Pass"), "2");
    EXPECT_EQ(parted.rows.at(cat("ID_2", i)).at("SlicePosition"), cat(5 * i));
  }
  for (CtSlice& s : slices) s.acquisition = "4";
  write_ct_zip(dir.path(), slices);
  const MetadataRun mixed = metadata_run(dir.path());
  EXPECT_EQ(mixed.rows.at("ID_20").at("Pass"), "1");
  EXPECT_EQ(
      std::count(mixed.remarks.begin(), mixed.remarks.end(),
                 "ID_10: series: lies where ID_20 lies and is another picture; InstanceNumber decides which "
                 "comes first"),
      1);
}

// Slice 4 is absent, slice 2 is there twice under two names, and another picture lies at the place of
// slice 6.
TEST(CreateMetadata, G13GapsInMillimetresAndCopiesOnce) {
  const Scratch dir;
  std::vector<CtSlice> slices;
  for (int i = 0; i < 9; ++i)
    if (i != 4) slices.push_back({.image = cat("ID_", i), .z = 5.0 * i, .stored = 1060 + i});
  slices.push_back(slices[2]);
  slices.back().image = "ID_2 (1)";
  slices.back().sop = "ID_2";
  slices.push_back({.image = "ID_other", .z = 30, .stored = 1090});
  write_ct_zip(dir.path(), slices);
  const MetadataRun m = metadata_run(dir.path());
  EXPECT_EQ(m.remark("copy"), "ID_2 (1): copy: has the bytes of ID_2\n");
  EXPECT_EQ(m.rows.at("ID_2 (1)").at("SameAs"), "ID_2");
  EXPECT_EQ(m.rows.at("ID_2 (1)").at("SlicePosition"), "10");
  EXPECT_EQ(
      m.remark("series"),
      "ID_other: series: lies where ID_6 lies and is another picture; InstanceNumber decides which comes "
      "first\nID_0: series: a gap of 10.00 mm between slices 4 and 5 of 9, most are 5.00 mm apart\n");
}

// A thousand files of 512 KB each: what is unpacked for their headers are the first 4 KB of each.
TEST(CreateMetadata, G16HeadersWithoutPixels) {
  const Scratch dir;
  const std::string bytes = dicom_of({.size = 512});
  const PackedMember packed = packed_member(bytes);
  const std::string path = dir / "ct.zip";
  AtomicFile out(path);
  ZipWriter zip(out);
  for (int i = 0; i < 1000; ++i) zip.add(cat("stage_2_train/ID_", i, ".dcm"), packed);
  zip.finish();
  out.commit();
  const hemorrhage::CtArchive archive(path);
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(hemorrhage::read_header(archive, i).series, "ID_s");
  EXPECT_EQ(archive.zip().unpacked_bytes(), 1000u * 4096);
  EXPECT_GT(bytes.size(), 1u << 19);
}

// A header that is longer than the first piece is read on, whatever it is cut in.
TEST(CreateMetadata, HeadersOfAnyLength) {
  const Scratch dir;
  for (const std::size_t length : {3400u, 3500u, 3600u, 16000u, 60000u}) {
    CtSlice slice;
    slice.study = "ID_" + std::string(length, 'x');
    write_ct_zip(dir.path(), {slice});
    const hemorrhage::CtArchive archive(dir / "rsna-intracranial-hemorrhage-detection.zip");
    const hemorrhage::SliceHeader h = hemorrhage::read_header(archive, 0);
    EXPECT_EQ(h.study.size(), length + 3);
    EXPECT_TRUE(h.placed);
  }
}

TEST(CreateMetadata, WhatIsMissingIsNamed) {
  const Scratch dir;
  write_zip(dir / "rsna-intracranial-hemorrhage-detection.zip",
            {member_of({.image = "ID_a", .without = {dicom::patient_id, dicom::image_position}}),
             member_of({.image = "ID_b", .sop = "1.2.3"}),
             member_of({.image = "ID_c", .folder = "stage_2_test"}),
             {std::string(ct_root) + "stage_2_train/ID_d.dcm", "no DICOM file"},
             member_of({.image = "ID_e", .folder = "other"})});
  const MetadataRun m = metadata_run(dir.path());
  std::string all;
  for (const std::string& r : m.remarks) all += r + "\n";
  EXPECT_EQ(
      all,
      "ID_d: unreadable: dicom: rsna-intracranial-hemorrhage-detection/stage_2_train/ID_d.dcm is not a DICOM "
      "file\n"
      "ID_a: missing: has no PatientID\n"
      "ID_a: missing: has no ImagePositionPatient\n"
      "ID_b: other name: SOPInstanceUID is 1.2.3\n"
      "ID_e: neither train nor test: lies in rsna-intracranial-hemorrhage-detection/other\n"
      "ID_a: series: 1 of 2 slices have no position\n"
      "ID_c: patient in both: patient ID_p is in train and in test\n");
  EXPECT_EQ(m.rows.at("ID_a").at("SlicePosition"), "");
  EXPECT_EQ(m.rows.at("ID_d").at("SeriesInstanceUID"), "");
  EXPECT_EQ(m.rows.size(), 3u);
  write_zip(dir / "rsna-intracranial-hemorrhage-detection.zip",
            {{std::string(ct_root) + "stage_2_train/ID_d.dcm", "no DICOM file"}});
  const Outcome none = run_here({"hemorrhage", "create-metadata", "--zip_dir", dir.path()});
  EXPECT_EQ(none.code, 3);
  EXPECT_EQ(
      last_line(none, dir.path()),
      "create-metadata: no member of DIR/rsna-intracranial-hemorrhage-detection.zip can be read; the first: "
      "dicom: rsna-intracranial-hemorrhage-detection/stage_2_train/ID_d.dcm is not a DICOM file "
      "[GD-DATA-001]");
}

}  // namespace
}  // namespace gadolin::test
