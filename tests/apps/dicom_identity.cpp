// Nothing in the headers of DICOM files that names a person reaches what the commands print or write; and
// folders of DICOM files whose names say nothing are taken as they are by train, predict, cam, data and
// convert.
#include <gtest/gtest.h>

#include <filesystem>

#include "data/dicom/dicom.h"
#include "io/atomic_file.h"
#include "tests/apps/in_process.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

const char* const canaries[] = {"CANARYNAME", "CANARYID",       "19451224",     "CANARYPHYS",
                                "CANARYTEXT", "CANARYHOSPITAL", "CANARYPRIVATE"};

// 16 x 16: a bright disc or a bright bar on noise, in Hounsfield units with a window.
std::string canary_film(const std::string& kind, int number) {
  Picture p;
  p.rows = p.columns = 16;
  p.is_signed = 1;
  p.front =
      element(dicom::sop_class, "UI", "1.2.840.10008.5.1.4.1.1.2") +
      element(dicom::sop_instance, "UI", "1.2.3." + std::to_string(number) + (kind == "disc" ? ".1" : ".2")) +
      element(dicom::modality, "CS", "CT") + element(0x00080080, "LO", "CANARYHOSPITAL") +
      element(0x00080090, "PN", "CANARYPHYS") + element(0x00091001, "LO", "CANARYPRIVATE") +
      element(dicom::patient_name, "PN", "CANARYNAME") +
      element(dicom::patient_id, "LO", "CANARYID" + std::to_string(number / 2)) +
      element(dicom::patient_birth_date, "DA", "19451224") + element(0x00104000, "LT", "CANARYTEXT") +
      element(dicom::series_instance, "UI", "1.2.3.4");
  p.more = element(dicom::window_center, "DS", "0") + element(dicom::window_width, "DS", "2000");
  std::string pixels;
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 16; ++x) {
      const bool on = kind == "disc" ? (x - 8) * (x - 8) + (y - 8) * (y - 8) < 30 : x > 5 && x < 10;
      pixels += little(
          static_cast<std::uint64_t>((on ? 800 : -800) + (x * 31 + y * 17 + number * 7) % 90) & 0xffff, 2);
    }
  }
  return picture(p, pixels);
}

struct DicomIdentity : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
    for (const char* kind : {"disc", "bar"}) {
      // As scanners name them: no ending, or numbers that look like one.
      for (int i = 0; i < 8; ++i)
        dir.write(cat("set/", kind, "/", i % 2 ? "IM" : "1.2.840.", i), canary_film(kind, i));
    }
    dir.write("set/disc/notes", "not a picture");
  }
  // Runs a command; nothing it prints may hold a canary.
  Outcome quiet(std::vector<std::string> args, int code = 0) {
    const Outcome run = run_here(args);
    EXPECT_EQ(run.code, code) << args[0] << ": " << run.err;
    for (const char* canary : canaries)
      EXPECT_EQ((run.out + run.err).find(canary), std::string::npos) << args[0] << ' ' << args[1];
    return run;
  }
  // Nor may a file below `folder`, by its name or its bytes.
  int clean(const std::string& folder) {
    int files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      const std::string bytes = read_file(entry.path().string(), 1 << 26);
      for (const char* canary : canaries) {
        EXPECT_EQ(bytes.find(canary), std::string::npos) << entry.path();
        EXPECT_EQ(entry.path().string().find(canary), std::string::npos);
      }
      ++files;
    }
    return files;
  }
  const Scratch dir;
};

TEST_F(DicomIdentity, TrainPredictCamAndReport) {
  quiet({"data", "check", dir / "set"});
  quiet({"train",
         dir / "set",
         "--model",
         "resnet18",
         "--width",
         "4",
         "--small-input",
         "--input-size",
         "16",
         "--channels",
         "1",
         "--epochs",
         "2",
         "--batch-size",
         "4",
         "--workers",
         "0",
         "--shares",
         "0.5/0.5/0",
         "--out",
         dir / "run",
         "--device",
         "cpu"});
  const std::string weights = dir / "run/checkpoints/last.gdck";
  quiet({"eval", dir / "set", "--checkpoint", weights, "--device", "cpu", "--split", "all", "--out",
         dir / "eval"});
  const Outcome folder =
      quiet({"predict", dir / "set/disc", "--checkpoint", weights, "--device", "cpu", "--json"});
  int predicted = 0;
  for (std::size_t at = 0; (at = folder.out.find("\"event\":\"predict", at)) != std::string::npos; ++at)
    ++predicted;
  EXPECT_EQ(predicted, 8) << folder.out;  // the notes are not looked at
  EXPECT_NE(folder.out.find("IM1"), std::string::npos) << folder.out;
  const Outcome cam = quiet({"cam", dir / "set/bar", dir / "set/disc/IM3", "--checkpoint", weights,
                             "--device", "cpu", "--out", dir / "maps"});
  EXPECT_EQ(clean(dir / "maps"), 9) << cam.out;
  const std::string whole = canary_film("disc", 1);
  dir.write("bad/short", whole.substr(0, whole.size() - 100));
  const std::vector<std::string> one{dir / "bad/short", "--checkpoint", weights, "--device", "cpu"};
  for (const std::string command : {"predict", "cam"}) {
    std::vector<std::string> args{command};
    args.insert(args.end(), one.begin(), one.end());
    if (command == "cam") args.insert(args.end(), {"--out", dir / "bad-maps"});
    EXPECT_EQ(last_line(quiet(args, 3), dir.path()),
              cat(command, ": 1 of 1 files could not be ", command == "cam" ? "done" : "read",
                  " (dicom: DIR/bad/short: pixels cannot be decoded, 512 bytes are needed, 412 are left of "
                  "the file) [GD-DATA-042]"));
  }
  quiet({"report", dir / "run", "--out", dir / "report.html"});
  EXPECT_GE(clean(dir / "run"), 4);
  for (const auto& entry : fs::directory_iterator(dir.path())) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(read_file(entry.path().string(), 1 << 26).find("CANARY"), std::string::npos) << entry.path();
  }
}

TEST_F(DicomIdentity, ErrorsIndexesAndCopies) {
  // Cut short, and with an element that claims too much: the reason is named, not what stands there.
  const std::string whole = canary_film("disc", 1);
  dir.write("bad/short", whole.substr(0, whole.size() - 100));
  std::string longer = whole;
  longer[longer.find("CANARYTEXT") - 2] = '\x7f';
  longer[longer.find("CANARYTEXT") - 1] = '\x7f';
  dir.write("bad/longer", longer);
  quiet({"dicom", "convert", dir / "bad", "--out", dir / "pictures"}, 3);
  quiet({"dicom", "index", dir / "bad", "--out", dir / "bad.csv"});
  quiet({"dicom", "index", dir / "set", "--out", dir / "index.csv", "--json"});
  quiet({"dicom", "convert", dir / "set", "--out", dir / "pictures", "--json"});
  quiet({"dicom", "convert", dir / "set", "--out", dir / "copies", "--anonymize", "--json"});
  quiet({"dicom", "dump", dir / "set/disc/IM1", "--hide-identity"});
  EXPECT_EQ(clean(dir / "pictures"), 16);
  EXPECT_EQ(clean(dir / "copies"), 16);
  for (const char* table : {"bad.csv", "index.csv"}) {
    for (const char* canary : canaries)
      EXPECT_EQ(read_file(dir / table, 1 << 20).find(canary), std::string::npos) << table << ' ' << canary;
  }
}

TEST_F(DicomIdentity, FramesByNumber) {
  for (const char* frame : {"-1", "1x"})
    EXPECT_EQ(
        run_here({"dicom", "convert", dir / "set/disc/IM1", "--out", dir / "a.png", "--frame", frame}).code,
        2)
        << frame;
  EXPECT_EQ(
      last_line(run_here({"dicom", "convert", dir / "set/disc/IM1", "--out", dir / "a.png", "--frame", "x"}),
                dir.path()),
      "--frame x: all or a number from 0 is needed [GD-USAGE-001]");
  EXPECT_EQ(
      last_line(run_here({"dicom", "convert", dir / "set/disc/IM1", "--out", dir / "a.png", "--frame", "1"}),
                dir.path()),
      "dicom convert: 1 file could not be converted (dicom: frame 1 of IM1, it has 1, counted from 0) "
      "[GD-DATA-042]");
}

}  // namespace
}  // namespace gadolin::test
