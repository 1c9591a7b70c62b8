// data synth ct-series: the archive is one that zip tools read, with what real ones have.
#include <gtest/gtest.h>

#include "apps/hemorrhage/synth_ct.h"
#include "data/dicom/image.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/mapped_file.h"
#include "io/zip_file.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

TEST(SynthCt, AnArchiveWithTablesAndFaultsTheSameForOneSeed) {
  const Scratch dir;
  const auto make = [&](const char* name) {
    return run_here({"data", "synth", "ct-series", dir / name, "--patients", "10", "--slices", "8", "--size",
                     "24", "--seed", "5", "--json"});
  };
  const Outcome run = make("a");
  ASSERT_EQ(run.code, 0) << run.err;
  ASSERT_EQ(make("b").code, 0);
  const std::string archive = dir / "a/rsna-intracranial-hemorrhage-detection.zip";
  EXPECT_EQ(read_file(archive, 1 << 24),
            read_file(dir / "b/rsna-intracranial-hemorrhage-detection.zip", 1 << 24));
  // 12 series of 8 slices: one in two passes, one slice twice, one missing.
  EXPECT_EQ(done(run)["metrics"]["files"], 10 * 8 + 2 * 8 + 8 + 1 - 1);
  const MappedFile file(archive);
  const ZipFile zip(file.text(), archive);
  int cut = 0, files = 0;
  for (const ZipEntry& entry : zip.entries()) {
    if (!entry.name.ends_with(".dcm")) continue;
    ++files;
    try {
      const std::string bytes = zip.read(entry, 1 << 20);
      const DicomFile dicom(bytes, std::string(entry.name));
      read_dicom_image(dicom);
    } catch (const FormatError&) {
      ++cut;
    }
  }
  EXPECT_EQ(files, 104);
  EXPECT_EQ(cut, 2);
  EXPECT_EQ(read_csv(dir / "a/made_up.csv").rows.size(), 104u);
}

TEST(SynthCt, EveryCodingGivesTheSameUnits) {
  const hemorrhage::SynthCtOptions o{.patients = 8, .slices = 8, .size = 16};
  const std::vector<float> units = hemorrhage::synth_slice(o, hemorrhage::synth_head(o, 0), 0, 4);
  const Image offset = hemorrhage::coded_slice(units, 16, hemorrhage::CtCoding::offset),
              wrapped = hemorrhage::coded_slice(units, 16, hemorrhage::CtCoding::wrapped);
  for (std::size_t i = 0; i < units.size(); ++i) {
    const int a = offset.data<std::uint16_t>()[i] - 1024,
              b = (wrapped.data<std::uint16_t>()[i] + 1000) % 4096 - 1000;
    EXPECT_EQ(a, b);
    EXPECT_NEAR(a, units[i], 0.51);
  }
}

}  // namespace
}  // namespace gadolin::test
