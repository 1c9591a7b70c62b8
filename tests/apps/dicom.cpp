// gadolin dicom: dump, convert, index; and a net trained on and asked about DICOM files.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "data/dicom/dicom.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/npy.h"
#include "io/zip_file.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

struct DicomCommand : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
  const Scratch dir;
};
std::string dicom_file(const std::string& name) { return fixture("dicom/pydicom/" + name); }

TEST(BenchDicom, TheFileOfItsExampleIsThere) {
  const std::string help = run_here({"bench", "dicom", "--help"}).out;
  const std::size_t at = help.find("tests/fixtures/");
  ASSERT_NE(at, std::string::npos) << help;
  const std::string name = help.substr(at + 15, help.find_first_of(" \n", at) - at - 15);
  EXPECT_TRUE(fs::exists(fixture(name))) << name;
}

TEST_F(DicomCommand, DumpInThreeFormats) {
  const std::string file = dicom_file("MR_small.dcm");
  EXPECT_EQ(run_here({"dicom", "dump", file, "--fields", "Rows,00280011"}).out,
            "(0028,0010) US Rows = 64\n(0028,0011) US Columns = 64\n");
  EXPECT_EQ(run_here({"dicom", "dump", file, "--format", "csv", "--fields", "Modality"}).out,
            "path,tag,vr,keyword,value\n,\"(0008,0060)\",CS,Modality,MR\n");
  const Outcome dumped = run_here({"dicom", "dump", file, "--format", "json", "--fields", "Rows"});
  EXPECT_EQ(nlohmann::json::parse(dumped.out)["00280010"]["Value"][0], 64);
  const Outcome hidden = run_here({"dicom", "dump", file, "--hide-identity"});
  EXPECT_EQ(hidden.out.find("CompressedSamples"), std::string::npos);
  EXPECT_EQ(last_line(run_here({"dicom", "dump", file, "--fields", "Row"}), dir.path()),
            "dicom: 'Row' is no attribute; keywords are written like PatientID, numbers like 0010,0020 "
            "[GD-USAGE-001]");
}

TEST_F(DicomCommand, PicturesAndArrays) {
  const std::string file = dicom_file("CT_small.dcm"), mr = dicom_file("MR_small.dcm");
  EXPECT_EQ(run_here({"dicom", "convert", mr, "--out", dir / "a.png", "--window", "600/1200"}).code, 0);
  EXPECT_EQ(read_image(dir / "a.png").width, 64);
  EXPECT_EQ(
      run_here({"dicom", "convert", mr, "--out", dir / "b.png", "--window", "percentile", "--bits", "16"})
          .code,
      0);
  EXPECT_EQ(read_image(dir / "b.png").bits, 16);
  EXPECT_EQ(run_here({"dicom", "convert", mr, "--out", dir / "c.npy", "--values", "hounsfield"}).code, 0);
  EXPECT_EQ(load_npy(dir / "c.npy").dtype(), DType::fp32);
  EXPECT_EQ(run_here({"dicom", "convert", dicom_file("SC_rgb_rle_2frame.dcm"), "--out", dir / "d.png"}).code,
            0);
  EXPECT_TRUE(fs::exists(dir / "d-0.png") && fs::exists(dir / "d-1.png"));
  EXPECT_EQ(run_here({"dicom", "convert", dicom_file("SC_rgb_rle_2frame.dcm"), "--out", dir / "e.png",
                      "--frame", "1"})
                .code,
            0);
  EXPECT_EQ(read_image(dir / "e.png"), read_image(dir / "d-1.png"));
  EXPECT_EQ(
      last_line(run_here({"dicom", "convert", mr, "--out", dir / "f.png", "--window", "40"}), dir.path()),
      "--window 40: auto, file, percentile, full or center/width is needed, like 40/80 [GD-USAGE-001]");
}

// [frames, rows, columns] of grey values, [frames, rows, columns, 3] of red, green and blue.
TEST_F(DicomCommand, ArraysOfColoursEndWithTheColour) {
  const std::string stream = fixture("dicom/streams/jpeg-jfif-says-rgb.dcm");
  const Outcome run = run_here({"dicom", "convert", stream, "--out", dir / "a.npy"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find(
                "warning: jpeg-jfif-says-rgb.dcm: PhotometricInterpretation is RGB, the stream is YBR_FULL; "
                "the stream counts"),
            std::string::npos)
      << run.err;
  const Tensor colour = load_npy(dir / "a.npy");
  ASSERT_EQ(colour.shape(), (Shape{1, 8, 24, 3}));
  const std::vector<float> v = colour.to_vector<float>();
  EXPECT_NEAR(v[0], 200, 3);  // red first
  EXPECT_NEAR(v[1], 40, 3);
  EXPECT_NEAR(v[v.size() - 1], 200, 3);  // blue last
  EXPECT_EQ(run_here({"dicom", "convert", dicom_file("MR_small.dcm"), "--out", dir / "b.npy"}).code, 0);
  EXPECT_EQ(load_npy(dir / "b.npy").shape(), (Shape{1, 64, 64}));
}

TEST_F(DicomCommand, SeveralFilesNeedAFolder) {
  fs::create_directories(dir / "cd");
  for (const char* name : {"MR_small_RLE.dcm", "MR_small.dcm"})
    fs::copy_file(dicom_file(name), dir / cat("cd/", name));
  AtomicFile archive(dir / "two.zip");
  ZipWriter zip(archive);
  for (const char* name : {"MR_small_RLE.dcm", "MR_small.dcm"})
    zip.add(name, read_file(dicom_file(name), 1 << 20));
  zip.finish();
  archive.commit();
  for (const char* end : {".npy", ".png", ".dcm"}) {
    std::vector<std::string> args{"dicom", "convert", dir / "two.zip", "--out", dir / cat("one", end)};
    if (std::string(end) == ".dcm") args.push_back("--anonymize");
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, 2);
    std::string said = last_line(run, dir.path());
    said.replace(said.find(cat("one", end)), 7, "one.END");
    EXPECT_EQ(
        said,
        "dicom convert: DIR/two.zip holds 2 DICOM files, and --out DIR/one.END takes one; name a folder for "
        "--out [GD-USAGE-001]");
    EXPECT_FALSE(fs::exists(dir / cat("one", end)));
  }
  const Outcome directory =
      run_here({"dicom", "convert", fixture("dicom/pydicom/dicomdir/DICOMDIR"), "--out", dir / "one.npy"});
  EXPECT_EQ(directory.code, 2);
  EXPECT_FALSE(fs::exists(dir / "one.npy"));
  const std::string folder =
      "dicom convert: --out DIR/one.npy takes one file, and a folder or several inputs are given; name a "
      "folder "
      "for --out [GD-USAGE-001]";
  EXPECT_EQ(last_line(run_here({"dicom", "convert", dir / "cd", "--out", dir / "one.npy"}), dir.path()),
            folder);
  EXPECT_EQ(last_line(run_here({"dicom", "convert", dicom_file("MR_small_RLE.dcm"),
                                dicom_file("MR_small.dcm"), "--out", dir / "one.npy"}),
                      dir.path()),
            folder);
  EXPECT_EQ(run_here({"dicom", "convert", dir / "two.zip", "--out", dir / "both"}).code, 0);
  EXPECT_TRUE(fs::exists(dir / "both/MR_small_RLE.png") && fs::exists(dir / "both/MR_small.png"));
}

// a/x.dcm and a_x.dcm, x.dcm and x.DCM: none is written over another.
TEST_F(DicomCommand, OutputsOfOneNameAreCounted) {
  fs::create_directories(dir / "in/a");
  for (const char* name : {"in/a/x.dcm", "in/a_x.dcm", "in/a_x.DCM"})
    fs::copy_file(dicom_file("MR_small.dcm"), dir / name);
  ASSERT_EQ(run_here({"dicom", "convert", dir / "in", "--out", dir / "out"}).code, 0);
  EXPECT_TRUE(fs::exists(dir / "out/a_x.png") && fs::exists(dir / "out/a_x-again2.png") &&
              fs::exists(dir / "out/a_x-again3.png"));
}

TEST_F(DicomCommand, BytesBehindThePixelsAreReadOverByAllCommands) {
  const std::string file = dir / "trailing.dcm", warning = "what follows the pixel data at byte ";
  std::ofstream(file, std::ios::binary)
      << read_file(fixture("dicom/streams/jpegls-7-bits.dcm"), 1 << 20) << "\r\n--end--\r\n";
  const Outcome convert = run_here({"dicom", "convert", file, "--out", dir / "a.png"}),
                dump = run_here({"dicom", "dump", file, "--fields", "Rows"}),
                index = run_here({"dicom", "index", file});
  EXPECT_EQ(convert.code, 0);
  EXPECT_NE(convert.err.find("warning: trailing.dcm: " + warning), std::string::npos) << convert.err;
  EXPECT_EQ(dump.code, 0);
  EXPECT_NE(dump.err.find(warning), std::string::npos) << dump.err;
  EXPECT_EQ(dump.out, "(0028,0010) US Rows = 8\n");
  EXPECT_EQ(index.code, 0);
}

TEST_F(DicomCommand, AFolderGoesOnBehindABadFile) {
  fs::create_directories(dir / "in/deep");
  fs::copy_file(dicom_file("MR_small.dcm"), dir / "in/deep/good.dcm");
  fs::copy_file(dicom_file("MR_truncated.dcm"), dir / "in/bad.dcm");
  std::ofstream(dir / "in/notes.txt") << "no DICOM";
  const Outcome run = run_here({"dicom", "convert", dir / "in", "--out", dir / "out"});
  EXPECT_EQ(run.code, 3);
  EXPECT_TRUE(fs::exists(dir / "out/deep_good.png"));
  EXPECT_EQ(last_line(run, dir.path()),
            "dicom convert: 1 file could not be converted (dicom: bad.dcm: pixels cannot be decoded, 8192 "
            "bytes are needed, 8130 are left of the file) "
            "[GD-DATA-042]");
}

TEST_F(DicomCommand, AnonymizedCopiesAreNamedByTheirNewUids) {
  fs::create_directories(dir / "in");
  fs::copy_file(dicom_file("MR_small.dcm"), dir / "in/CompressedSamples_MR1.dcm");
  const Outcome run =
      run_here({"dicom", "convert", dir / "in", "--out", dir / "out", "--anonymize", "--key", "k"});
  ASSERT_EQ(run.code, 0) << run.err;
  for (const auto& entry : fs::directory_iterator(dir / "out")) {
    EXPECT_TRUE(entry.path().filename().string().starts_with("2.25."));
    const std::string bytes = read_file(entry.path().string(), 1 << 20);
    EXPECT_EQ(bytes.find("CompressedSamples"), std::string::npos);
    EXPECT_EQ(DicomFile::open(entry.path().string()).text(dicom::patient_id), patient_pseudonym("4MR1", "k"));
  }
  EXPECT_EQ((run.out + run.err).find("CompressedSamples"), std::string::npos);
}

TEST_F(DicomCommand, IndexWritesATable) {
  const Outcome run = run_here({"dicom", "index", fixture("dicom/pydicom/dicomdir"), "--out",
                                dir / "index.csv", "--fields", "StudyDate"});
  ASSERT_EQ(run.code, 0) << run.err;
  const CsvTable table = read_csv(dir / "index.csv");
  EXPECT_GE(table.rows.size(), 14u);
  EXPECT_GE(table.find("StudyDate"), 0);
  EXPECT_EQ(last_line(run_here({"dicom", "index", dir / "nothing"}), dir.path()).substr(0, 17),
            "read: DIR/nothing");
}

// Class folders of DICOM files: trained for an epoch, then asked about one of them.
TEST_F(DicomCommand, TrainAndPredictTakeDicomFiles) {
  for (const char* kind : {"CT", "CR"}) {
    const fs::path source = fixture("dicom/pydicom/dicomdir");
    fs::create_directories(dir / (std::string("set/") + kind));
    int n = 0;
    for (const auto& entry : fs::recursive_directory_iterator(source)) {
      if (!entry.is_regular_file() || entry.path().filename().string().starts_with("DICOMDIR")) continue;
      const DicomFile file = DicomFile::open(entry.path().string());
      if (file.text(dicom::modality) == kind)
        fs::copy_file(entry.path(), dir / cat("set/", kind, "/", n++, ".dcm"));
    }
    ASSERT_GE(n, 3) << kind;
  }
  const Outcome train = run_here({"train",
                                  dir / "set",
                                  "--model",
                                  "resnet18",
                                  "--width",
                                  "8",
                                  "--small-input",
                                  "--input-size",
                                  "16",
                                  "--channels",
                                  "1",
                                  "--epochs",
                                  "1",
                                  "--batch-size",
                                  "4",
                                  "--workers",
                                  "0",
                                  "--shares",
                                  "0.6/0.4/0",
                                  "--out",
                                  dir / "run",
                                  "--device",
                                  "cpu"});
  ASSERT_EQ(train.code, 0) << train.err;
  const Outcome predict = run_here({"predict", dir / "set/CT/0.dcm", "--checkpoint",
                                    dir / "run/checkpoints/last.gdck", "--device", "cpu"});
  ASSERT_EQ(predict.code, 0) << predict.err;
  EXPECT_NE(predict.out.find("0.dcm"), std::string::npos);
}

}  // namespace
}  // namespace gadolin::test
