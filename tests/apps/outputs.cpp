// Where commands write: inputs, devices and files of another kind are never replaced.
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/program/output.h"
#include "data/image/image.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

struct OutputPaths : testing::Test {
  std::string refused(const std::string& path, const std::string& ending,
                      const std::vector<std::string>& inputs = {}) {
    std::string said = message_of<UsageError>([&] { check_output_file("x: --out", path, ending, inputs); });
    for (std::size_t at; (at = said.find(dir.path())) != std::string::npos;)
      said.replace(at, dir.path().size(), "DIR");
    return said;
  }
  std::string refused_folder(const std::string& path, const std::vector<std::string>& inputs = {}) {
    std::string said = message_of<UsageError>([&] { check_output_folder("x: --out", path, inputs); });
    for (std::size_t at; (at = said.find(dir.path())) != std::string::npos;)
      said.replace(at, dir.path().size(), "DIR");
    return said;
  }
  Scratch dir;
};

TEST_F(OutputPaths, AFileThatIsReadStays) {
  const std::string table = dir.write("a.csv", "path\n");
  fs::create_symlink(table, dir / "link.csv");
  fs::create_hard_link(table, dir / "same.csv");
  for (const char* name : {"a.csv", "link.csv", "same.csv", "./a.csv"})
    EXPECT_EQ(refused(dir / name, ".csv", {dir / "none.csv", table}),
              cat("x: --out DIR/", name, " is also what is read; name another file"));
  check_output_file("x: --out", table, ".csv", {dir.write("b.csv", "path\n")});
  fs::create_directories(dir / "scans");
  EXPECT_EQ(refused_folder(dir / "scans", {dir / "scans/"}),
            "x: --out DIR/scans is also what is read; name another folder");
  check_output_folder("x: --out", dir / "scans", {table});
}

TEST_F(OutputPaths, NamesAndKindsFit) {
  EXPECT_EQ(
      refused(dir / "a.npy", ".png"),
      "x: --out DIR/a.npy is named as a NumPy array, and a PNG picture is written; let the name end in .png");
  EXPECT_EQ(
      refused(dir / "a.GDCK", ".csv"),
      "x: --out DIR/a.GDCK is named as a checkpoint, and a CSV table is written; let the name end in .csv");
  EXPECT_EQ(refused_folder(dir / "a.jpg"),
            "x: --out DIR/a.jpg is named as a JPEG picture, and a folder is made; leave out the ending");
  for (const char* name : {"a", "a.tsv", "a.txt", "a.csv", "a.CSV", "a.table"})
    check_output_file("x: --out", dir / name, ".csv");
  EXPECT_EQ(refused(dir.path(), ".csv"), "x: --out DIR is a folder; name a file");
  EXPECT_EQ(refused_folder(dir.write("b", "x")), "x: --out DIR/b is a file; name a folder");
}

TEST_F(OutputPaths, NothingLiesBelowAFile) {
  dir.write("note.txt", "mine");
  for (const char* name : {"note.txt/x", "note.txt/x/y/z"}) {
    const std::string want = cat("x: --out DIR/", name, ": DIR/note.txt is a file; name another place");
    EXPECT_EQ(refused_folder(dir / name), want);
    EXPECT_EQ(refused(dir / name, ".csv"), want);
  }
  check_output_folder("x: --out", dir / "new/folder/");
  check_output_file("x: --out", dir / "new/folder/a.csv", ".csv");
  check_output_folder("x: --out", "out");
  // Every command that makes a folder says so in one line.
  const std::string film = dir.write("film.png", encode_png(pattern(8, 8, 1))), place = dir / "note.txt/out",
                    below = "not a directory; a part of the path is a file, not a folder [GD-FILE-001]";
  for (const auto& [args, want] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"data", "synth", place}, "data synth: DIR/note.txt/out: " + below},
           {{"dicom", "convert", film, "--out", place},
            "dicom convert: --out DIR/note.txt/out: DIR/note.txt is a file; name another place "
            "[GD-USAGE-001]"}})
    EXPECT_EQ(last_line(run_here(args), dir.path()), want);
}

TEST_F(OutputPaths, FilesOfAnotherKindStay) {
  const std::string png(reinterpret_cast<const char*>(encode_png(pattern(4, 4, 1)).data()), 60);
  const std::vector<std::pair<std::string, std::string>> files{
      {".png", png},
      {".npy", "\x93NUMPY\x01"},
      {".gdck", "GADOLIN\n\x01"},
      {".html", "\n<!DOCTYPE html>"},
      {".pth", "PK\x03\x04"},
      {".safetensors", std::string("\x10\0\0\0\0\0\0\0{}", 10)},
      {".dcm", std::string(128, '\0') + "DICM\x02"},
      {".onnx", "\x08\x08"}};
  for (const auto& [ending, bytes] : files) {
    for (const auto& [other, unused] : files) {
      const std::string path = dir.write("file", bytes);
      if (ending == other)
        check_output_file("x: --out", path, other);
      else
        EXPECT_NE(refused(path, other).find("x: --out DIR/file holds something else than "),
                  std::string::npos)
            << ending << other;
    }
    if (ending != ".html") {
      EXPECT_EQ(refused(dir / "file", ".csv"),
                "x: --out DIR/file holds something else than a CSV table, which would be lost; name another "
                "file, or remove it")
          << ending;
    }
  }
  check_output_file("x: --out", dir.write("empty", ""), ".png");
  check_output_file("x: --out", dir.write("text", "a,b\xc3\xa4\r\n\t1"), ".csv");
}

TEST_F(OutputPaths, DevicesAndPipesTakeWhatIsWritten) {
  for (const char* path : {"/dev/null", "/dev/stdout"}) check_output_file("x: --out", path, ".csv");
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  check_output_file("x: --out", dir / "pipe", ".csv");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string place = dir / "socket";
  ASSERT_LT(place.size(), sizeof address.sun_path);
  std::copy(place.begin(), place.end(), address.sun_path);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(refused(place, ".csv"), "x: --out DIR/socket is no file; name another");
  ::close(listener);
  dir.write("scans/note.txt", "no DICOM\n");
  const Outcome shown = run_program({"dicom", "index", dir / "scans", "--out", "/dev/stdout", "--quiet"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_EQ(shown.out.find("path,patient_id,"), 0u) << shown.out;
  const Outcome nowhere = run_program({"dicom", "index", dir / "scans", "--out", "/dev/null"});
  EXPECT_EQ(nowhere.code, 0) << nowhere.err;
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

// Every command with an output looks before it writes.
TEST_F(OutputPaths, CommandsLook) {
  const std::string film = fixture("dicom/pydicom/MR_small.dcm"), end = " [GD-USAGE-001]";
  ASSERT_TRUE(fs::exists(film)) << film;
  const std::string copy = dir.write("x.dcm", contents_of(film)), bytes = contents_of(copy);
  const std::string note = dir.write("note.gdck", "remember\1");
  fs::create_directories(dir / "folder");
  const Mistake mistakes[] = {
      {{"dicom", "convert", copy, "--out", copy},
       2,
       "dicom convert: --out DIR/x.dcm is named as a DICOM file, and these are written with --anonymize "
       "only; "
       "add it, or name a .png or .npy file"},
      {{"dicom", "convert", copy, "--out", copy, "--anonymize"},
       2,
       "dicom convert: --out DIR/x.dcm is also what is read; name another file"},
      {{"dicom", "convert", copy, "--out", dir / "y.png", "--anonymize"},
       2,
       "dicom convert: --out DIR/y.png is named as a PNG picture, and a DICOM file is written; let the name "
       "end in .dcm"},
      {{"dicom", "convert", copy, "--out", dir / "y.png", "--to", "npy"},
       2,
       "dicom convert: --out DIR/y.png is named as a PNG picture, and a NumPy array is written; let the name "
       "end in .npy"},
      {{"dicom", "convert", copy, "--out", dir / "y.jpg"},
       2,
       "dicom convert: --out DIR/y.jpg is named as a JPEG picture, and a folder is made; leave out the "
       "ending"},
      {{"dicom", "convert", dir / "folder", "--out", dir / "folder", "--anonymize"},
       2,
       "dicom convert: --out DIR/folder is also what is read; name another folder"},
      {{"dicom", "index", dir / "folder", "--out", copy},
       2,
       "dicom index: --out DIR/x.dcm is named as a DICOM file, and a CSV table is written; let the name end "
       "in "
       ".csv"},
      {{"data", "split", dir.write("m.csv", "path,labels\n"), "--out", dir / "m.csv"},
       2,
       "data split: --out DIR/m.csv is also what is read; name another file"},
      {{"import", note, note, "--model", "resnet18"},
       2,
       "import: OUT DIR/note.gdck is also what is read; name another file"},
      {{"import", copy, note, "--model", "resnet18"},
       2,
       "import: OUT DIR/note.gdck holds something else than a checkpoint, which would be lost; name another "
       "file, or remove it"},
      {{"export", copy, dir.write("w.pth", "remember")},
       2,
       "export: OUT DIR/w.pth holds something else than a file of torch.save, which would be lost; name "
       "another file, or remove it"},
      {{"eval", copy, "--checkpoint", note, "--temperature", "--save", note},
       2,
       "eval: --save DIR/note.gdck is also what is read; name another file"},
      {{"eval", copy, "--checkpoint", note, "--out", copy},
       2,
       "eval: --out DIR/x.dcm is a file; name a folder"},
      {{"report", dir / "folder", "--out", dir / "r.csv"},
       2,
       "report: --out DIR/r.csv is named as a CSV table, and an HTML page is written; let the name end in "
       ".html"},
      {{"predict", copy, "--checkpoint", note, "--layer", "fc", "--out", copy},
       2,
       "predict: --out DIR/x.dcm is a file; name a folder"},
      {{"predict", copy, "--checkpoint", note + "," + note, "--layer", "fc", "--out", dir / "f"},
       2,
       "predict: --layer takes one --checkpoint, and there are 2; call it once for each"},
      {{"lr-find", copy, "--out", copy}, 2, "lr-find: --out DIR/x.dcm is a file; name a folder"},
      {{"data", "synth", dir / "folder/../x.dcm"},
       2,
       "data synth: DIR/folder/../x.dcm exists and is no empty folder; give another or remove it"},
  };
  for (const Mistake& m : mistakes) {
    const Outcome run = run_here(m.args);
    EXPECT_EQ(run.code, m.code) << m.want;
    EXPECT_EQ(last_line(run, dir.path()), m.want + end);
  }
  EXPECT_EQ(contents_of(copy), bytes);
  EXPECT_EQ(contents_of(note), "remember\1");
  // As a file of its kind it is written.
  EXPECT_EQ(run_here({"dicom", "convert", copy, "--out", dir / "y.dcm", "--anonymize"}).code, 0);
  EXPECT_EQ(contents_of(dir / "y.dcm").substr(128, 4), "DICM");
  EXPECT_EQ(run_here({"dicom", "convert", copy, "--out", dir / "y.png"}).code, 0);
  EXPECT_EQ(run_here({"dicom", "convert", copy, "--out", dir / "y.png"}).code, 0) << "a second time";
}

TEST_F(OutputPaths, ASecondSetIsNotMixedWithTheFirst) {
  const std::vector<std::string> small{"data",       "synth", dir / "set", "--samples", "12",
                                       "--patients", "12",    "--size",    "8"};
  ASSERT_EQ(run_here(small).code, 0);
  const std::string before = contents_of(dir / "set/manifest.csv");
  std::vector<std::string> other = small;
  other[4] = "13";
  const Outcome again = run_here(other);
  EXPECT_EQ(last_line(again, dir.path()),
            "data synth: DIR/set exists and is no empty folder; give another or remove it [GD-USAGE-001]");
  EXPECT_EQ(contents_of(dir / "set/manifest.csv"), before);
  const std::vector<std::string> films{
      "data", "synth",  "bodypart", dir / "films", "--patients", "1", "--images-per-patient",
      "1",    "--size", "48"};
  ASSERT_EQ(run_here(films).code, 0);
  EXPECT_EQ(last_line(run_here(films), dir.path()),
            "data synth bodypart: DIR/films exists and is no empty folder; give another or remove it "
            "[GD-USAGE-001]");
}

}  // namespace
