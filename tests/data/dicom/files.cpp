// Many files: order of slices, indexes of folders, zip archives and DICOMDIRs, de-identified copies.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <set>

#include "data/dicom/dicom.h"
#include "io/atomic_file.h"
#include "io/zip_file.h"
#include "tensor/random.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

struct DicomFiles : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};

SlicePlace slice(double z, std::int64_t instance, double y = 0) {
  SlicePlace p;
  p.series = "1";
  p.position = {0, y, z};
  p.placed = true;
  p.instance = instance;
  return p;
}

TEST_F(DicomFiles, SlicesAreSortedAlongTheirNormal) {
  const SeriesOrder s = order_series({slice(10, 1), slice(0, 3), slice(5, 2), slice(15, 0)});
  EXPECT_EQ(s.order, (std::vector<std::size_t>{1, 2, 0, 3}));
  EXPECT_DOUBLE_EQ(s.spacing, 5);
  EXPECT_TRUE(s.problems.empty());
  EXPECT_NEAR(s.shear, 0, 1e-9);
  // Sagittal: the normal is x, whatever z does.
  std::vector<SlicePlace> sagittal{slice(0, 1), slice(0, 2)};
  for (SlicePlace& p : sagittal) p.orientation = {0, 1, 0, 0, 0, -1};
  sagittal[0].position = {3, 0, 0};
  sagittal[1].position = {1, 0, 99};
  EXPECT_EQ(order_series(sagittal).positions, (std::vector<double>{-3, -1}));
}

TEST_F(DicomFiles, TiltGapsAndDoubledPositionsAreReported) {
  const double tan20 = 0.36397023426620234;
  const SeriesOrder tilted = order_series({slice(0, 1), slice(5, 2, 5 * tan20), slice(10, 3, 10 * tan20)});
  EXPECT_NEAR(tilted.shear, 20, 1e-6);
  const SeriesOrder gaps = order_series({slice(0, 1), slice(5, 2), slice(10, 3), slice(20, 4), slice(20, 5)});
  ASSERT_EQ(gaps.problems.size(), 2u);
  EXPECT_EQ(gaps.problems[0], "a gap of 10.00 mm between slices 3 and 4 of 5, most are 5.00 mm apart");
  EXPECT_EQ(gaps.problems[1], "two slices at one position between slices 4 and 5 of 5");
  SlicePlace lost = slice(0, 9);
  lost.placed = false;
  EXPECT_EQ(order_series({lost, slice(0, 1), slice(5, 2)}).order, (std::vector<std::size_t>{1, 2, 0}));
  EXPECT_TRUE(order_series({}).order.empty());
}

// Series in any plane, given in any order: sorted along their normal with the distance they were made with.
TEST_F(DicomFiles, TwoHundredShuffledSeries) {
  using Vec = std::array<double, 3>;
  const auto cross = [](const Vec& a, const Vec& b) {
    return Vec{a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
  };
  const auto unit = [](Vec v) {
    const double l = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    for (double& x : v) x /= l;
    return v;
  };
  for (std::uint64_t series = 0; series < 200; ++series) {
    RandomStream random(7, series);
    const auto draw = [&] { return 2 * static_cast<double>(random.uniform()) - 1; };
    const Vec row = unit({draw(), draw(), draw()}), normal = unit(cross(row, unit({draw(), draw(), draw()}))),
              column = cross(normal, row);
    const double spacing = 0.5 + 5 * std::abs(draw());
    const std::size_t n = 2 + random.below(60);
    const bool gap = n > 4 && series % 4 == 0;
    std::vector<SlicePlace> slices(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double along = spacing * static_cast<double>(i + (gap && i > n / 2 ? 2 : 0));
      slices[i] = slice(0, static_cast<std::int64_t>(random.below(1000)));
      slices[i].path = std::to_string(i);
      for (std::size_t k = 0; k < 3; ++k) {
        slices[i].position[k] = 40 * row[k] - 7 * column[k] + along * normal[k];
        slices[i].orientation[k] = row[k];
        slices[i].orientation[3 + k] = column[k];
      }
    }
    for (std::size_t i = n; i > 1; --i) std::swap(slices[i - 1], slices[random.below(i)]);
    const SeriesOrder s = order_series(slices);
    ASSERT_EQ(s.order.size(), n);
    for (std::size_t i = 0; i < n; ++i)
      EXPECT_EQ(slices[s.order[i]].path, std::to_string(i)) << "series " << series;
    EXPECT_NEAR(s.spacing, spacing, 1e-6) << "series " << series;
    EXPECT_NEAR(s.shear, 0, 1e-4) << "series " << series;
    EXPECT_EQ(s.problems.size(), gap ? 1u : 0u) << "series " << series;
  }
  std::vector<SlicePlace> mixed{slice(0, 1), slice(5, 2), slice(10, 3)};
  mixed[1].orientation = {0, 1, 0, 0, 0, -1};
  const SeriesOrder s = order_series(mixed);
  ASSERT_FALSE(s.problems.empty());
  EXPECT_EQ(s.problems[0], "1 of 3 slices lie in another plane than the first");
}

TEST_F(DicomFiles, RealHeadSeries) {
  const std::string folder = fixture("../../../shared/data/dicom-head-ct-series");
  if (!fs::exists(folder)) GTEST_SKIP() << "the reference data set is not on this machine";
  std::vector<SlicePlace> ge, philips;
  each_dicom(folder, [&](const std::string& name, std::string_view bytes) {
    (name.starts_with("GE") ? ge : philips)
        .push_back(slice_place(DicomFile(bytes, name, {.pixels = false, .limits = {}})));
  });
  const SeriesOrder a = order_series(ge), b = order_series(philips);
  ASSERT_EQ(a.order.size(), 15u);
  ASSERT_EQ(b.order.size(), 12u);
  for (std::size_t i = 0; i < b.order.size(); ++i)
    EXPECT_EQ(philips[b.order[i]].instance, static_cast<std::int64_t>(10 * i + 10) / 10);
  EXPECT_NEAR(b.spacing, 5, 1e-6);
  EXPECT_TRUE(b.problems.empty());
  EXPECT_NEAR(std::abs(a.tilt), 18.5, 0.01);
  EXPECT_FALSE(a.problems.empty());
  EXPECT_TRUE(std::is_sorted(a.positions.begin(), a.positions.end()));
}

std::string column(const DicomIndex& index, std::size_t row, const char* name) {
  return index.table.rows[row][static_cast<std::size_t>(index.table.column(name))];
}

TEST_F(DicomFiles, IndexOfADicomdirAndOfItsFolder) {
  const DicomIndex a = index_dicom(fixture("dicom/pydicom/dicomdir/DICOMDIR")),
                   b = index_dicom(fixture("dicom/pydicom/dicomdir"));
  ASSERT_GE(b.files, 14);
  std::set<std::string> there;
  for (std::size_t i = 0; i < b.table.rows.size(); ++i) there.insert(column(b, i, "instance_id"));
  int found = 0;
  for (std::size_t i = 0; i < a.table.rows.size(); ++i) {
    if (!column(a, i, "error").empty()) {
      EXPECT_EQ(column(a, i, "error"), "named by the DICOMDIR, but not there");
      continue;
    }
    ++found;
    EXPECT_TRUE(there.count(column(a, i, "instance_id"))) << column(a, i, "path");
    EXPECT_TRUE(column(a, i, "patient_id").starts_with("P-"));
  }
  EXPECT_EQ(found, 14);
}

TEST_F(DicomFiles, IndexOfAZipArchiveInPlace) {
  const Scratch dir;
  {
    AtomicFile file(dir / "set.zip");
    ZipWriter zip(file);
    zip.add("a/ct.dcm", read_file(fixture("dicom/pydicom/MR_small.dcm"), 1 << 20));
    zip.add("readme.txt", "hello");
    zip.add("b/broken.dcm", meta() + element(dicom::modality, "CS", "CT").substr(0, 9));
    zip.finish();
    file.commit();
  }
  const DicomIndex index =
      index_dicom(dir / "set.zip",
                  {.keep_patient_ids = true, .key = "", .more = {dicom_tag("StationName")}, .limits = {}});
  EXPECT_EQ(index.files, 2);
  EXPECT_EQ(index.skipped, 1);
  EXPECT_EQ(index.failed, 1);
  EXPECT_EQ(column(index, 0, "path"), "a/ct.dcm");
  EXPECT_EQ(column(index, 0, "patient_id"), "4MR1");
  EXPECT_EQ(column(index, 0, "rows"), "64");
  EXPECT_EQ(column(index, 0, "slice_order"), "1");
  EXPECT_EQ(column(index, 1, "error").substr(0, 31), "dicom: b/broken.dcm is damaged ");
}

TEST_F(DicomFiles, IndexTellsOfCutPixelsAndDecimalCommas) {
  const Scratch dir;
  const std::string whole = read_file(fixture("dicom/pydicom/MR_small.dcm"), 1 << 20),
                    packed = read_file(fixture("dicom/pydicom/MR_small_RLE.dcm"), 1 << 20);
  std::string comma = whole;
  const std::string thickness = "0.8000";  // of SliceThickness
  const std::size_t at = comma.find(thickness);
  ASSERT_NE(at, std::string::npos);
  comma[at + 1] = ',';
  dir.write("a.dcm", whole);
  dir.write("b.dcm", whole.substr(0, whole.size() - 3000));
  dir.write("c.dcm", packed.substr(0, packed.size() - 3000));
  dir.write("d.dcm", comma);
  const DicomIndex index = index_dicom(dir.path());
  EXPECT_EQ(index.files, 4);
  EXPECT_EQ(index.failed, 2);
  EXPECT_EQ(column(index, 0, "error"), "");
  for (const std::size_t cut : {1u, 2u}) {
    EXPECT_EQ(column(index, cut, "error").find("the file ends inside its pixel data, after "), 0u)
        << column(index, cut, "error");
    EXPECT_EQ(column(index, cut, "rows"), "64");
  }
  EXPECT_EQ(column(index, 3, "slice_thickness"), column(index, 0, "slice_thickness"));
  EXPECT_NE(column(index, 3, "warning").find("has a decimal comma, it is read as a point"), std::string::npos)
      << column(index, 3, "warning");
  EXPECT_EQ(column(index, 3, "error"), "");
}

TEST_F(DicomFiles, ADicomdirCannotNameFilesElsewhere) {
  const Scratch dir;
  const std::string record = item(element(dicom::record_type, "CS", "IMAGE") +
                                  element(dicom::referenced_file_id, "CS", "..\\SECRET"));
  dir.write("DICOMDIR", meta() + element(dicom::record_sequence, "SQ", record));
  EXPECT_THROW(index_dicom(dir / "DICOMDIR"), FormatError);
}

const char* const canaries[] = {"CANARYNAME",    "CANARYID",     "19451224",      "CANARYPHYS",
                                "CANARYPRIVATE", "CANARYINSIDE", "CANARYUNKNOWN", "1.2.3.4.5"};

std::string identified() {
  Picture p;
  p.front =
      element(dicom::sop_class, "UI", "1.2.840.10008.5.1.4.1.1.2") +
      element(dicom::sop_instance, "UI", "1.2.3.4.5") + element(dicom::modality, "CS", "CT") +
      element(0x00080090, "PN", "CANARYPHYS") +
      element(0x00081140, "SQ",
              item(element(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2") +
                   element(0x00081155, "UI", "1.2.3.4.5") + element(0x00104000, "LT", "CANARYINSIDE"))) +
      element(0x00091001, "LO", "CANARYPRIVATE") + element(dicom::patient_name, "PN", "CANARYNAME") +
      element(dicom::patient_id, "LO", "CANARYID") + element(dicom::patient_birth_date, "DA", "19451224") +
      element(0x00110ABC, "UN", "CANARYPRIVATE") + element(0x00120099, "UN", "CANARYUNKNOWN") +
      element(0x00081140, "UN", item(element(0x00104000, "LT", "CANARYINSIDE"))) +
      element(dicom::body_part, "CS", "CHEST") + element(dicom::series_instance, "UI", "1.2.3.4.5.1");
  return picture(p, words({1, 2, 3, 4}));
}

TEST_F(DicomFiles, DeidentifiedCopiesHoldNoCanary) {
  const std::string bytes = identified();
  const DicomFile file(bytes, "identified");
  const std::string copy = anonymized(file, {"secret"});
  for (const char* canary : canaries) EXPECT_EQ(copy.find(canary), std::string::npos) << canary;
  const DicomFile back(copy, "copy");
  EXPECT_EQ(read_dicom_image(back).samples.to_vector<float>(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(back.text(dicom::body_part), "CHEST");
  EXPECT_EQ(back.text(dicom::identity_removed), "YES");
  EXPECT_EQ(back.text(dicom::times_modified), "REMOVED");
  EXPECT_EQ(back.text(dicom::patient_id), patient_pseudonym("CANARYID", "secret"));
  // One UID, one replacement: in the data set, in the meta header, in references of other files.
  EXPECT_EQ(back.text(dicom::sop_instance), replaced_uid("1.2.3.4.5", "secret"));
  EXPECT_EQ(back.text(dicom::media_storage_sop_instance), back.text(dicom::sop_instance));
  const auto items = back.items(*back.find(0x00081140));
  EXPECT_EQ(back.text(*back.find_in(items.at(0), 0x00081155)), back.text(dicom::sop_instance));
  EXPECT_NE(replaced_uid("1.2.3.4.5", "other"), back.text(dicom::sop_instance));
  EXPECT_LE(back.text(dicom::sop_instance).size(), 64u);
  EXPECT_EQ(back.text(dicom::sop_class), "1.2.840.10008.5.1.4.1.1.2");
}

TEST_F(DicomFiles, DeidentifiedCopiesOfRealFilesKeepTheirPixels) {
  for (const char* name : {"MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm",
                           "MR_small_RLE.dcm", "JPEG2000.dcm", "image_dfl.dcm", "SC_rgb_rle_2frame.dcm"}) {
    const DicomFile file = DicomFile::open(fixture(std::string("dicom/pydicom/") + name));
    const std::string copy = anonymized(file, {"k"});
    const DicomFile back(copy, name);
    EXPECT_EQ(read_dicom_image(back).samples.to_vector<float>(),
              read_dicom_image(file).samples.to_vector<float>())
        << name;
    const std::string patient = file.text(dicom::patient_name);
    if (patient.size() > 4) {
      EXPECT_EQ(copy.find(patient), std::string::npos) << name;
    }
  }
}

TEST_F(DicomFiles, ErrorsAndIndexesHoldNoCanary) {
  const Scratch dir;
  const std::string bytes = identified();
  dir.write("whole.dcm", bytes);
  for (std::size_t n = 140; n < bytes.size(); n += 3) {
    try {
      read_dicom_image(DicomFile(std::string_view(bytes).substr(0, n), "cut"));
      ADD_FAILURE() << n;
    } catch (const Error& e) {
      for (const char* canary : canaries)
        EXPECT_EQ(std::string(e.what()).find(canary), std::string::npos) << e.what();
    }
  }
  const std::string table = to_csv(index_dicom(dir.path()).table);
  for (const char* canary : {"CANARYNAME", "CANARYID", "19451224", "CANARYPHYS", "CANARYPRIVATE"})
    EXPECT_EQ(table.find(canary), std::string::npos);
}

}  // namespace
}  // namespace gadolin::test
