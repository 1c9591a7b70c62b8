// gadolin bodypart create-database and fetch-image: rows, pictures, labels and patients, hostile names, and
// every mistake.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "data/database/database.h"
#include "data/dicom/dicom.h"
#include "data/image/image.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/sha256.h"
#include "io/zip_file.h"
#include "tests/apps/in_process.h"
#include "tests/data/database/database_server.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;
namespace fs = std::filesystem;

namespace {

struct Film {
  std::string uid = "1.2.3", bodypart = "CHEST", patient = "P1", photometric = "MONOCHROME2", more;
  int is_signed = 0;
};
// A radiograph of 2 x 2 pixels.
std::string film(const Film& f, std::initializer_list<int> values = {0, 10, 20, 30}) {
  Picture p;
  p.is_signed = f.is_signed;
  p.photometric = f.photometric;
  p.more = f.more;
  p.front = (f.uid.empty() ? "" : element(dicom::sop_instance, "UI", f.uid)) +
            element(dicom::modality, "CS", "DX") + element(dicom::patient_name, "PN", "Secret^Name") +
            element(dicom::patient_id, "LO", f.patient) +
            (f.bodypart.empty() ? "" : element(dicom::body_part, "CS", f.bodypart)) +
            element(dicom::study_instance, "UI", "1.9." + f.patient.substr(1));
  return picture(p, words(values));
}

class BodypartDatabase : public testing::Test {
 protected:
  void SetUp() override {
    if (!database_available() || !dicom_available()) GTEST_SKIP() << "built without a database or DICOM";
    for (const char* name : {"GADOLIN_DATABASE", "GADOLIN_DATABASE_USER", "GADOLIN_DATABASE_PASSWORD"})
      ::unsetenv(name);
  }
  Outcome create(const std::string& source, std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"bodypart", "create-database", "--directory", source, "--database", dir_ / "a.db"});
    return run_here(more);
  }
  Outcome fetch(const std::string& query, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"bodypart", "fetch-image", "--query", query, "-d", dir_ / "out", "--database",
                               dir_ / "a.db"});
    return run_here(more);
  }
  ImageDatabase open() const {
    return ImageDatabase(database_address(dir_ / "a.db"), ImageDatabase::Mode::read);
  }
  // All files below a folder, from there on.
  std::vector<std::string> files(const std::string& folder) const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& e : fs::recursive_directory_iterator(dir_ / folder, error))
      if (e.is_regular_file()) names.push_back(e.path().lexically_relative(dir_ / folder).string());
    std::sort(names.begin(), names.end());
    return names;
  }
  static nlohmann::json metrics(const Outcome& run) {
    return nlohmann::json::parse(run.out.substr(run.out.rfind('\n', run.out.size() - 2) + 1))["metrics"];
  }
  std::vector<std::uint8_t> pixels(const std::string& stem) const {
    return read_image(dir_ / "out/images/" + stem + ".png").pixels;
  }
  void expect_says(const Outcome& run, int code, const std::string& want) {
    EXPECT_EQ(last_line(run, dir_.path()), want);
    EXPECT_EQ(run.code, code) << want;
  }
  Scratch dir_;
};

TEST_F(BodypartDatabase, AFolderIsStoredOnce) {
  dir_.write("in/deep/er/a.dcm", film({.uid = "1.2.1", .more = ""}));
  dir_.write("in/b", film({.uid = "1.2.2",
                           .bodypart = "Left Hand ",
                           .patient = "P2",
                           .photometric = "MONOCHROME2",
                           .more = ""}));
  dir_.write("in/copy.dcm", film({.uid = "1.2.1", .more = ""}));
  dir_.write("in/same-uid.dcm", film({.uid = "1.2.1", .more = ""}, {9, 9, 9, 9}));
  dir_.write("in/no-part.dcm", film({.uid = "1.2.3", .bodypart = "", .more = ""}));
  dir_.write("in/no-uid.dcm", film({.uid = "", .more = ""}));
  dir_.write("in/notes.txt", std::string("not DICOM"));
  dir_.write("in/empty", std::string());
  dir_.write("in/cut.dcm", film({.uid = "1.2.4", .more = ""}).substr(0, 150));
  dir_.write("in/long.dcm", film({.uid = "1.2.5", .patient = "P" + std::string(70, '3'), .more = ""}));
  Outcome run = create(dir_ / "in", {"--report", dir_ / "report.csv", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  nlohmann::json m = metrics(run);
  EXPECT_EQ(m["files"], 10);
  EXPECT_EQ(m["inserted"], 2);
  EXPECT_EQ(m["copies"], 1);
  EXPECT_EQ(m["refused"], 7);
  const std::string report = contents_of(dir_ / "report.csv");
  EXPECT_EQ(report, "path,reason\n" + std::string("cut.dcm,\"") +
                        report.substr(report.find("dicom: "), report.find("\"\n") - report.find("dicom: ")) +
                        "\"\nempty,no DICOM file\nlong.dcm,PatientID has more than 64 "
                        "characters\nno-part.dcm,no BodyPartExamined\nno-uid.dcm,no SOPInstanceUID\n"
                        "notes.txt,no DICOM file\nsame-uid.dcm,another file has the same SOPInstanceUID and "
                        "other contents\n");
  // No value of a header is in what is said.
  EXPECT_EQ((run.out + run.err + report).find("Secret"), std::string::npos);
  EXPECT_EQ((run.out + run.err + report).find(std::string(9, '3')), std::string::npos);
  {
    ImageDatabase db = open();
    EXPECT_EQ(db.body_parts(),
              (std::vector<std::pair<std::string, std::int64_t>>{{"CHEST", 1}, {"LEFT HAND", 1}}));
    EXPECT_EQ(db.image("1.2.1"), film({.uid = "1.2.1", .more = ""}));
    const ImageRow row = db.list("LEFT HAND", "", 9).at(0);
    EXPECT_EQ(row.patient_id, "P2");
    EXPECT_EQ(row.study_uid, "1.9.2");
    EXPECT_EQ(row.modality, "DX");
    EXPECT_EQ(row.sha256, sha256_hex(contents_of(dir_ / "in/b")));
  }
  // Once more: nothing changes, and that is no error. Then other bytes for one of them.
  const std::string before = contents_of(dir_ / "a.db");
  m = metrics(create(dir_ / "in", {"--json"}));
  EXPECT_EQ(m["inserted"], 0);
  EXPECT_EQ(m["unchanged"], 2);
  dir_.write("in/b", film({.uid = "1.2.2", .bodypart = "FOOT", .more = ""}, {1, 2, 3, 4}));
  m = metrics(create(dir_ / "in", {"--json"}));
  EXPECT_EQ(m["updated"], 1);
  EXPECT_EQ(m["unchanged"], 1);
  EXPECT_EQ(open().list("FOOT", "", 9).size(), 1u);
}

TEST_F(BodypartDatabase, ArchivesAndDicomdirs) {
  AtomicFile archive(dir_ / "films.zip");
  ZipWriter zip(archive);
  for (int i = 0; i < 3; ++i) {
    const std::string bytes = film({.uid = "1.2." + std::to_string(i), .more = ""});
    zip.add("scans/" + std::to_string(i), bytes);
  }
  zip.finish();
  archive.commit();
  EXPECT_EQ(metrics(create(dir_ / "films.zip", {"--json"}))["inserted"], 3);
  const nlohmann::json m = metrics(create(fixture("dicom/pydicom/dicomdir/DICOMDIR"), {"--json"}));
  EXPECT_EQ(m["inserted"].get<int>() + m["refused"].get<int>(), m["files"].get<int>());
}

TEST_F(BodypartDatabase, PicturesLabelsAndPatients) {
  dir_.write("in/a", film({.uid = "1.2.1", .more = ""}, {0, 100, 300, 400}));
  dir_.write("in/b", film({.uid = "1.2.2", .patient = "P2", .photometric = "MONOCHROME1", .more = ""},
                          {0, 100, 300, 400}));
  dir_.write("in/c", film({.uid = "1.2.3",
                           .more = element(dicom::window_center, "DS", "200") +
                                   element(dicom::window_width, "DS", "201")},
                          {0, 100, 200, 4000}));
  dir_.write("in/d", film({.uid = "1.2.4", .more = ""}, {7, 7, 7, 7}));
  dir_.write(
      "in/e",
      film({.uid = "1.2.5", .bodypart = "HAND", .patient = "P3", .photometric = "MONOCHROME2", .more = ""}));
  ASSERT_EQ(create(dir_ / "in").code, 0);
  Outcome run = fetch("chest", {"--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(metrics(run)["written"], 4);
  EXPECT_EQ(metrics(run)["blank"], 1);
  EXPECT_EQ(files("out"),
            (std::vector<std::string>{
                "fetch/CHEST_1.2.1_DX.dcm", "fetch/CHEST_1.2.2_DX.dcm", "fetch/CHEST_1.2.3_DX.dcm",
                "fetch/CHEST_1.2.4_DX.dcm", "images/CHEST_1.2.1_DX.png", "images/CHEST_1.2.2_DX.png",
                "images/CHEST_1.2.3_DX.png", "images/CHEST_1.2.4_DX.png", "labels/CHEST_1.2.1_DX.txt",
                "labels/CHEST_1.2.2_DX.txt", "labels/CHEST_1.2.3_DX.txt", "labels/CHEST_1.2.4_DX.txt",
                "manifest.csv"}));
  EXPECT_EQ(contents_of(dir_ / "out/labels/CHEST_1.2.1_DX.txt"), "Chest");
  EXPECT_EQ(contents_of(dir_ / "out/fetch/CHEST_1.2.1_DX.dcm"), contents_of(dir_ / "in/a"));
  EXPECT_EQ(contents_of(dir_ / "out/manifest.csv"),
            "path,patient_id,study_id,label\nimages/CHEST_1.2.1_DX.png,P1,1.9.1,Chest\nimages/"
            "CHEST_1.2.2_DX.png,P2,1.9.2,Chest\n"
            "images/CHEST_1.2.3_DX.png,P1,1.9.1,Chest\nimages/CHEST_1.2.4_DX.png,P1,1.9.1,Chest\n");
  // Percentiles: of four values the lowest and, below 99.5 %, the third; a window; MONOCHROME1 inverted; one
  // value is black.
  EXPECT_EQ(pixels("CHEST_1.2.1_DX"), (std::vector<std::uint8_t>{0, 85, 255, 255}));
  EXPECT_EQ(pixels("CHEST_1.2.2_DX"), (std::vector<std::uint8_t>{255, 170, 0, 0}));
  EXPECT_EQ(pixels("CHEST_1.2.3_DX"), (std::vector<std::uint8_t>{0, 1, 128, 255}))
      << "200.5 -+ 100: (100 - 199.5) / 200 + 0.5";
  EXPECT_EQ(pixels("CHEST_1.2.4_DX"), (std::vector<std::uint8_t>{0, 0, 0, 0}));
  // Another body part into the same folder keeps the lines that are there; again over the same files.
  ASSERT_EQ(fetch("HAND").code, 0);
  ASSERT_EQ(fetch("CHEST").code, 0);
  const CsvTable table = read_csv(dir_ / "out/manifest.csv");
  ASSERT_EQ(table.rows.size(), 5u);
  EXPECT_EQ(table.rows[4], (std::vector<std::string>{"images/HAND_1.2.5_DX.png", "P3", "1.9.3", "Hand"}));
  EXPECT_EQ(leftovers(dir_.path()), std::vector<std::string>());
}

TEST_F(BodypartDatabase, LegacyScalingOfTheReference) {
  dir_.write("in/a", film({.uid = "1.2.1",
                           .photometric = "MONOCHROME1",
                           .more = element(dicom::rescale_slope, "DS", "3"),
                           .is_signed = 1},
                          {-5, 0, 1000, 4000}));
  dir_.write("in/b", film({.uid = "1.2.2", .more = "", .is_signed = 1}, {-5, 0, -1, -2}));
  ASSERT_EQ(create(dir_ / "in").code, 0);
  ASSERT_EQ(fetch("CHEST", {"--window", "legacy"}).code, 0);
  EXPECT_EQ(pixels("CHEST_1.2.1_DX"), (std::vector<std::uint8_t>{0, 0, 63, 255}));
  EXPECT_EQ(pixels("CHEST_1.2.2_DX"), (std::vector<std::uint8_t>{0, 0, 0, 0}))
      << "no division by a maximum of 0";
  expect_says(fetch("CHEST", {"--window", "legacy", "--bits", "16"}), 2,
              "fetch-image: --window legacy has 8 bits; leave --bits 16 out [GD-USAGE-001]");
}

TEST_F(BodypartDatabase, SixteenBitsAndWindows) {
  dir_.write("in/a", film({.uid = "1.2.1", .more = ""}, {0, 100, 300, 400}));
  ASSERT_EQ(create(dir_ / "in").code, 0);
  ASSERT_EQ(fetch("CHEST", {"--bits", "16", "--window", "full"}).code, 0);
  const Image image = read_image(dir_ / "out/images/CHEST_1.2.1_DX.png");
  ASSERT_EQ(image.bits, 16);
  EXPECT_EQ(std::vector<std::uint16_t>(image.data<std::uint16_t>(), image.data<std::uint16_t>() + 4),
            (std::vector<std::uint16_t>{0, 16384, 49151, 65535}));
  ASSERT_EQ(fetch("CHEST", {"--window", "200.5/401"}).code, 0);
  EXPECT_EQ(pixels("CHEST_1.2.1_DX"), (std::vector<std::uint8_t>{0, 64, 191, 255}));
  expect_says(
      fetch("CHEST", {"--window", "bright"}), 2,
      "--window bright: auto, file, percentile, full or center/width is needed, like 40/80 [GD-USAGE-001]");
}

TEST_F(BodypartDatabase, MetadataIsAFlagThatCanBeFalse) {
  Film f{.uid = "1.2.1", .more = ""};
  f.more = element(0x00291010, "LO", "private");
  dir_.write("in/a", film(f));
  ASSERT_EQ(create(dir_ / "in").code, 0);
  const std::string path = dir_ / "out/labels/CHEST_1.2.1_DX.json";
  for (const std::vector<std::string>& no :
       {std::vector<std::string>{}, {"-m", "False"}, {"--metadata=no"}, {"-m", "0"}}) {
    ASSERT_EQ(fetch("CHEST", no).code, 0);
    EXPECT_FALSE(fs::exists(path));
  }
  expect_says(fetch("CHEST", {"-m", "maybe"}), 2,
              "fetch-image: --metadata maybe is neither true nor false [GD-USAGE-001]");
  for (const std::vector<std::string>& yes :
       {std::vector<std::string>{"-m"}, {"--metadata"}, {"-m", "TRUE"}, {"-m", "1"}}) {
    fs::remove(path);
    ASSERT_EQ(fetch("CHEST", yes).code, 0);
    ASSERT_TRUE(fs::exists(path));
  }
  const nlohmann::json facts = nlohmann::json::parse(contents_of(path));
  EXPECT_EQ(facts["patient_id"], "P1");
  EXPECT_EQ(facts["study_uid"], "1.9.1");
  EXPECT_EQ(facts["label"], "Chest");
  EXPECT_EQ(facts["dataset"]["00280010"]["Value"][0], 2);
  EXPECT_EQ(facts["dataset"]["00100020"]["Value"][0], "P1");
  EXPECT_FALSE(facts["dataset"].contains("00291010")) << "private";
  EXPECT_FALSE(facts["dataset"].contains("7FE00010"));
}

// Names that lead elsewhere, statements in the place of values, rows that somebody else wrote.
TEST_F(BodypartDatabase, HostileRows) {
  {
    ImageDatabase db(database_address(dir_ / "a.db"), ImageDatabase::Mode::create);
    const std::string good = film({.more = ""});
    const std::string part = "../../X'; DROP TABLE images; --";
    std::vector<ImageRow> rows;
    for (const char* id : {"../../../evil", "/etc/evil", "a\nb", "a b", "a_b", "..", ".hidden", "1.2.3"})
      rows.push_back({id, part, "=1+1,\"\n", "", "D/X", "", good});
    rows.push_back({"9.1", "BAD", "", "", "", "", "no DICOM at all"});
    rows.push_back({"9.2", "BAD", "", "", "", sha256_hex("other"), good});
    db.write(rows);
  }
  const std::string part = "../../X'; DROP TABLE images; --";
  dir_.write("out/deep/keep", std::string());
  Outcome run = run_here(
      {"bodypart", "fetch-image", "-q", part, "-d", dir_ / "out/deep/er", "--database", dir_ / "a.db", "-m"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto all = files("");
  for (const std::string& name : all) EXPECT_TRUE(name == "a.db" || name.starts_with("out/deep/")) << name;
  EXPECT_EQ(files("out/deep/er/images").size(), 8u) << "each has a name of its own";
  for (const std::string& name : files("out/deep/er/images")) {
    EXPECT_EQ(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"),
              std::string::npos)
        << name;
    EXPECT_NE(name[0], '.') << name;
  }
  EXPECT_EQ(files("out/deep/er/fetch").size(), 8u);
  EXPECT_EQ(read_csv(dir_ / "out/deep/er/manifest.csv").rows.size(), 8u);
  EXPECT_EQ(read_csv(dir_ / "out/deep/er/manifest.csv").rows[0][1], "=1+1,\"\n");
  EXPECT_EQ(open().body_parts().size(), 2u);
  // All of them in one call.
  const Outcome everything = run_here(
      {"bodypart", "fetch-image", "--all", "-d", dir_ / "everything", "--database", dir_ / "a.db", "--json"});
  EXPECT_EQ(done(everything)["metrics"]["written"], 8) << everything.err;
  EXPECT_EQ(files("everything/images").size(), 8u);
  // A query is a value.
  expect_says(fetch("' OR '1'='1"), 3,
              "fetch-image: DIR/a.db has no image of ' OR '1'='1; it has ../../X'; DROP TABLE images; -- "
              "(8), BAD (2) [GD-DATA-073]");
  // What cannot be shown gets no line.
  run = fetch("BAD");
  EXPECT_NE(run.err.find("fetch-image: the image does not have the SHA-256 noted beside it"),
            std::string::npos)
      << run.err;
  EXPECT_EQ(contents_of(dir_ / "out/manifest.csv"), "path,patient_id,study_id,label\n");
  expect_says(
      run, 3,
      "fetch-image: none of 2 images could be shown (dicom: BAD_9.1_ is not a DICOM file) [GD-DATA-075]");
}

TEST_F(BodypartDatabase, Mistakes) {
  dir_.write("in/a.txt", std::string("nothing"));
  expect_says(create(dir_ / "in"), 3,
              "create-database: none of 1 files in DIR/in was stored (no DICOM file) [GD-DATA-072]");
  fs::create_directories(dir_ / "none");
  expect_says(create(dir_ / "none"), 3,
              "create-database: none of 0 files in DIR/none was stored [GD-DATA-072]");
  expect_says(fetch("CHEST"), 3, "fetch-image: DIR/a.db has no image of CHEST [GD-DATA-073]");
  expect_says(fetch("CHEST", {"--all"}), 2,
              "fetch-image: one body part or all of them; give --query NAME or --all [GD-USAGE-001]");
  const Outcome all =
      run_here({"bodypart", "fetch-image", "--all", "-d", dir_ / "out", "--database", dir_ / "a.db"});
  expect_says(all, 3, "fetch-image: DIR/a.db has no image [GD-DATA-073]");
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  EXPECT_EQ(create(dir_ / "absent").code, 6);
  EXPECT_EQ(run_here({"bodypart", "create-database"}).code, 2);
  EXPECT_EQ(run_here({"bodypart", "fetch-image", "-q", "CHEST"}).code, 2);
  expect_says(run_here({"bodypart", "fetch-image", "-q", "CHEST", "-d", dir_ / "out", "--database",
                        "mysql://ann:secret@host/images"}),
              2,
              "database: the URL holds a password, which others on this machine can read; leave it out and "
              "set GADOLIN_DATABASE_PASSWORD or name an option file with "
              "--credentials [GD-USAGE-001]");
  // Colour in the reference's way.
  Film f{.uid = "1.2.1", .more = ""};
  Picture p{.rows = 1,
            .columns = 1,
            .allocated = 8,
            .stored = 8,
            .is_signed = 0,
            .samples = 3,
            .photometric = "RGB",
            .front = "",
            .more = ""};
  p.front = element(dicom::sop_instance, "UI", "1.2.9") + element(dicom::body_part, "CS", "SKIN");
  p.more = us(dicom::planar, 0);
  std::string colour = picture(p, std::string("\x01\x02\x03\x00", 4));
  dir_.write("in/colour", colour);
  ASSERT_EQ(create(dir_ / "in").code, 0);
  const Outcome run = fetch("SKIN", {"--window", "legacy"});
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find(
                "fetch-image: --window legacy is of grey pictures, this one has colours; leave --window out"),
            std::string::npos)
      << run.err;
  ASSERT_EQ(fetch("SKIN").code, 0);
}

// Programs side by side over one file: none fails, every image is there once.
TEST_F(BodypartDatabase, RunsSideBySide) {
  for (int i = 0; i < 60; ++i)
    dir_.write("in/" + std::to_string(i), film({.uid = "1.2." + std::to_string(i), .more = ""}));
  std::vector<int> codes(3, -1);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < codes.size(); ++t) {
    threads.emplace_back([&, t] {
      codes[t] =
          run_program({"bodypart", "create-database", "-d", dir_ / "in", "--database", dir_ / "a.db"}).code;
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(codes, std::vector<int>(3, 0));
  EXPECT_EQ(open().list("CHEST", "", 100).size(), 60u);
}

// The same commands against MariaDB: URL from the environment, password from an option file.
TEST_F(BodypartDatabase, ThroughMariaDb) {
  if (const std::string why = DatabaseServer::missing(DatabaseKind::mysql); !why.empty()) GTEST_SKIP() << why;
  DatabaseServer server(DatabaseKind::mysql);
  ASSERT_EQ(server.start("word"), "");
  dir_.write("in/a", film({.uid = "1.2.1", .more = ""}));
  const std::string options = dir_.write("my.cnf", std::string("[client]\npassword=word\n"));
  ::chmod(options.c_str(), 0600);
  ::setenv("GADOLIN_DATABASE", server.url().c_str(), 1);
  const Outcome run =
      run_here({"bodypart", "create-database", "-d", dir_ / "in", "--credentials", options, "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(metrics(run)["inserted"], 1);
  ASSERT_EQ(
      run_here({"bodypart", "fetch-image", "-q", "CHEST", "-d", dir_ / "out", "--credentials", options}).code,
      0);
  EXPECT_EQ(contents_of(dir_ / "out/fetch/CHEST_1.2.1_DX.dcm"), contents_of(dir_ / "in/a"));
  ::unsetenv("GADOLIN_DATABASE");
}

}  // namespace
