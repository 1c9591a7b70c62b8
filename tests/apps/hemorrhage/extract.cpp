// hemorrhage img-extract: windows to the number, what is left out and why, runs that go on, and every way in
// which an archive or a disk can be wrong.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>

#include "apps/hemorrhage/slice_units.h"
#include "apps/program/work_lock.h"
#include "data/image/resize.h"
#include "io/csv.h"
#include "tests/apps/hemorrhage/ct_archive.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

const std::string train_folder = std::string(ct_root) + "stage_2_train/",
                  test_folder = std::string(ct_root) + "stage_2_test/";

Outcome extract_run(const std::string& folder, std::vector<std::string> more = {}) {
  std::vector<std::string> args{"hemorrhage", "img-extract", "--zip_dir", folder, "--size", "16", "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return run_here(args);
}

std::vector<int> first_pixel(const std::string& path) {
  const Image image = read_image(path);
  EXPECT_EQ(image.width, 16);
  EXPECT_EQ(image.channels, 3);
  return {image.pixels.begin(), image.pixels.begin() + 3};
}

// HU of apps-spec.md 8.3 and what the three windows make of them, rounded; stored in each of the three ways.
TEST(ImgExtract, ThreeWindowsToTheNumber) {
  const Scratch dir;
  const std::vector<std::pair<int, std::vector<int>>> golden{{-1000, {0, 0, 0}},     {0, {0, 26, 73}},
                                                             {50, {159, 89, 77}},    {100, {255, 153, 82}},
                                                             {300, {255, 255, 100}}, {1000, {255, 255, 164}}};
  std::vector<CtSlice> slices;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const int hu = golden[i].first;
    const std::string name = cat("ID_", i);
    slices.push_back({.image = name + "a", .folder = "stage_2_test", .stored = hu + 1024});
    slices.push_back({.image = name + "b",
                      .folder = "stage_2_test",
                      .stored = hu & 0xffff,
                      .intercept = 0,
                      .bits = 16,
                      .is_signed = true});
    // Unsigned with an intercept of 0: negative values are stored 4096 higher, which the step mends.
    slices.push_back(
        {.image = name + "c", .folder = "stage_2_test", .stored = hu < 0 ? hu + 4096 : hu, .intercept = 0});
  }
  write_ct_zip(dir.path(), slices);
  const Outcome run = extract_run(dir.path(), {"--format", "png"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(done(run)["metrics"]["written"], 18);
  for (std::size_t i = 0; i < golden.size(); ++i)
    for (const char* kind : {"a", "b", "c"})
      EXPECT_EQ(first_pixel(dir / (test_folder + cat("ID_", i, kind, ".png"))), golden[i].second)
          << i << kind;
}

// In one pass, and by the steps that it joins.
TEST(ImgExtract, PicturesAreThoseOfWindowAndResize) {
  PhysicalImage units;
  units.width = 61;
  units.height = 50;
  for (int i = 0; i < 61 * 50; ++i) units.values.push_back(static_cast<float>(i * 7919 % 3100 - 1050));
  for (int i = 0; i < 400; ++i) units.values[static_cast<std::size_t>(i) * 7] = static_cast<float>(i % 90);
  units.values[100] = std::numeric_limits<float>::quiet_NaN();
  for (const int size : {16, 50, 90}) {
    const Image want = to_8bit(resize(hemorrhage::head_windows().apply(units), size, size));
    EXPECT_LE(largest_difference(hemorrhage::slice_picture(units, size), want), 1) << size;
  }
  units.inverted = true;
  EXPECT_EQ(hemorrhage::slice_picture(units, 16),
            to_8bit(resize(hemorrhage::head_windows().apply(units), 16, 16)));
}

// G14: -1024 of unsigned numbers does not wrap round to white.
TEST(ImgExtract, G14UnitsBeforeAnyWindow) {
  const Scratch dir;
  write_ct_zip(dir.path(), {{.image = "ID_a", .folder = "stage_2_test", .stored = 0}});
  ASSERT_EQ(extract_run(dir.path()).code, 0);
  for (const int v : first_pixel(dir / (test_folder + "ID_a.jpg"))) EXPECT_LE(v, 1);
}

TEST(ImgExtract, WhatHasNoPictureIsCountedAndNamed) {
  const Scratch dir;
  const auto cut = [](std::pair<std::string, std::string> member) {
    member.second.resize(member.second.size() - 100);
    return member;
  };
  const CtSlice brain{.image = "ID_brain"}, air{.image = "ID_air", .stored = 24},
      test_air{.image = "ID_test", .folder = "stage_2_test", .stored = 24},
      other{.image = "ID_other", .folder = "train_or_not/images"}, torn{.image = "ID_torn"};
  const std::string zip = write_zip(dir / "rsna-intracranial-hemorrhage-detection.zip",
                                    {member_of(brain),
                                     member_of(air),
                                     member_of(test_air),
                                     member_of(other),
                                     cut(member_of(torn)),
                                     {train_folder + "ID_none.dcm", std::string(400, 'n')},
                                     {train_folder + "list.csv", "a,b\n"}});
  const Outcome run = extract_run(dir.path());
  ASSERT_EQ(run.code, 0) << run.err;
  const auto metrics = done(run)["metrics"];
  EXPECT_EQ(metrics["written"], 2);
  EXPECT_EQ(metrics["little brain"], 1);
  EXPECT_EQ(metrics["unreadable"], 2);
  EXPECT_EQ(metrics["neither train nor test"], 1);
  EXPECT_TRUE(fs::exists(dir / (train_folder + "ID_brain.jpg")));
  EXPECT_TRUE(fs::exists(dir / (test_folder + "ID_test.jpg"))) << "the rule is for training";
  EXPECT_EQ(read_file(dir / "img_extract.csv", 4000),
            "image,folder,state,reason\n"
            "ID_air,rsna-intracranial-hemorrhage-detection/stage_2_train,little brain,share of brain 0.0000\n"
            "ID_other,rsna-intracranial-hemorrhage-detection/train_or_not/images,neither train nor test,\n"
            "ID_torn,rsna-intracranial-hemorrhage-detection/stage_2_train,unreadable,\"dicom: "
            "rsna-intracranial-hemorrhage-detection/stage_2_train/ID_torn.dcm: pixels cannot be decoded, 512 "
            "bytes are needed, 412 are left of the file\"\n"
            "ID_none,rsna-intracranial-hemorrhage-detection/stage_2_train,unreadable,dicom: "
            "rsna-intracranial-hemorrhage-detection/stage_2_train/ID_none.dcm is not a DICOM file\n");
  const Json record = Json::parse(read_file(dir / "img_extract.json", 4000));
  EXPECT_EQ(record["complete"], true);
  EXPECT_EQ(record["pictures"], 2);
  EXPECT_EQ(record["settings"]["windows"], "window:40/80|80/200|600/2800");
  EXPECT_EQ(record["settings"]["archive"].get<std::string>().size(), 64u);
  EXPECT_TRUE(leftovers(dir.path()).empty());
}

TEST(ImgExtract, ASecondRunMakesOnlyWhatIsMissingOrTorn) {
  const Scratch dir;
  std::vector<CtSlice> slices;
  for (const char* name : {"ID_a", "ID_b", "ID_c"}) slices.push_back({.image = name});
  write_ct_zip(dir.path(), slices);
  ASSERT_EQ(extract_run(dir.path()).code, 0);
  const auto picture = [&](const char* name) { return dir / (train_folder + name + ".jpg"); };
  const std::string whole = read_file(picture("ID_a"), 1 << 20);
  fs::remove(picture("ID_a"));
  dir.write(train_folder + "ID_b.jpg", std::string_view(whole).substr(0, whole.size() / 2));
  dir.write(train_folder + "ID_c.jpg.tmp-7-0123456789abcdef", "left by a kill");
  const auto before = fs::last_write_time(picture("ID_c"));
  const Outcome run = extract_run(dir.path());
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(done(run)["metrics"]["written"], 2);
  EXPECT_EQ(done(run)["metrics"]["there already"], 1);
  EXPECT_EQ(read_file(picture("ID_a"), 1 << 20), whole);
  EXPECT_EQ(read_file(picture("ID_b"), 1 << 20), whole);
  EXPECT_EQ(fs::last_write_time(picture("ID_c")), before);
  EXPECT_TRUE(leftovers(dir.path()).empty());
}

TEST(ImgExtract, OneAtATimeInAFolder) {
  const Scratch dir;
  write_ct_zip(dir.path(), {{.image = "ID_a"}});
  {
    const WorkLock other("img-extract", dir.path(), dir / "img_extract.lock");
    const Outcome second = extract_run(dir.path());
    EXPECT_EQ(second.code, 6);
    EXPECT_EQ(second.err, "gadolin: img-extract: another process works on " + dir.path() +
                              "; wait for it or stop it [GD-FILE-003]\n");
    EXPECT_FALSE(fs::exists(dir / "img_extract.json"));
  }
  EXPECT_EQ(extract_run(dir.path()).code, 0);
}

TEST(ImgExtract, OtherSettingsAreRefusedOrBeginAnew) {
  const Scratch dir;
  write_ct_zip(dir.path(), {{.image = "ID_a"}});
  ASSERT_EQ(extract_run(dir.path()).code, 0);
  const auto refused = [&](std::vector<std::string> more) {
    const Outcome run = extract_run(dir.path(), more);
    EXPECT_EQ(run.code, 3) << run.out;
    return last_line(run, dir.path());
  };
  const std::string way =
      "; name another --data_dir, or add --again to remove them and begin anew [GD-DATA-001]";
  EXPECT_EQ(
      refused({"--size", "32"}),
      "img-extract: DIR: the pictures there have size 16, not 32; name another --data_dir, or add --again to "
      "remove them and begin anew [GD-DATA-001]");
  EXPECT_EQ(refused({"--format", "png"}),
            "img-extract: DIR: the pictures there have format \"jpg\", not \"png\"" + way);
  ASSERT_EQ(extract_run(dir.path(), {"--format", "png", "--again"}).code, 0);
  EXPECT_FALSE(fs::exists(dir / (train_folder + "ID_a.jpg")));
  EXPECT_TRUE(fs::exists(dir / (train_folder + "ID_a.png")));
  write_ct_zip(dir.path(), {{.image = "ID_a", .stored = 1080}});
  EXPECT_EQ(refused({"--format", "png"}),
            "img-extract: DIR: the pictures there are of another archive" + way);
  fs::remove(dir / "img_extract.json");
  EXPECT_EQ(refused({}), "img-extract: DIR: DIR/" + train_folder +
                             "ID_a.png is there, and no img_extract.json says how it was made" + way);
  dir.write("img_extract.json", "no json");
  EXPECT_EQ(refused({}), "img-extract: DIR: the pictures there are of another archive" + way);
}

TEST(ImgExtract, ArchivesThatAreWrong) {
  const Scratch dir;
  const std::string zip = dir / "rsna-intracranial-hemorrhage-detection.zip";
  const auto said = [&](int code) {
    const Outcome run = extract_run(dir.path());
    EXPECT_EQ(run.code, code) << run.out;
    return last_line(run, dir.path());
  };
  EXPECT_EQ(said(3),
            "img-extract: DIR has no rsna-intracranial-hemorrhage-detection.zip; name the folder that has "
            "it, or an archive itself [GD-DATA-001]");
  write_zip(zip, {{"readme.txt", "hello"}});
  EXPECT_EQ(said(3),
            "hemorrhage: no member of DIR/rsna-intracranial-hemorrhage-detection.zip ends in .dcm "
            "[GD-DATA-001]");
  write_zip(zip, {{"images/a.dcm", "hello"}});
  EXPECT_EQ(said(3),
            "img-extract: no .dcm of DIR/rsna-intracranial-hemorrhage-detection.zip lies in a folder "
            "called train or test [GD-DATA-001]");
  write_zip(zip, {{"stage_2_train/a.dcm", "hello"}, {"stage_2_test/a.dcm", "hello"}});
  EXPECT_EQ(said(3),
            "hemorrhage: DIR/rsna-intracranial-hemorrhage-detection.zip: image a is in stage_2_train and "
            "in stage_2_test; rename one, as rows of labels name images alone [GD-DATA-001]");
  write_zip(zip, {{"stage_2_train/a.dcm", "hello"}});
  EXPECT_EQ(said(3),
            "img-extract: no member of DIR/rsna-intracranial-hemorrhage-detection.zip can be read; the "
            "first: dicom: stage_2_train/a.dcm is not a DICOM file [GD-DATA-001]");
  write_ct_zip(dir.path(), {{.image = "ID_a"}, {.image = "ID_b"}});
  std::string bytes = read_file(zip, 1 << 20);
  dir.write("rsna-intracranial-hemorrhage-detection.zip",
            std::string_view(bytes).substr(0, bytes.size() - 30));
  EXPECT_EQ(said(3),
            "zip: DIR/rsna-intracranial-hemorrhage-detection.zip: it has no end record; the file was cut "
            "short [GD-FORMAT-010]");
}

// A member that claims, or has, more than a slice can hold costs a row, not the memory.
TEST(ImgExtract, BombsAreRowsOfTheTable) {
  const Scratch dir;
  const std::string zip = write_zip(
      dir / "rsna-intracranial-hemorrhage-detection.zip",
      {member_of({.image = "ID_a"}), {train_folder + "bomb.dcm", std::string(std::size_t{65} << 20, 0)}});
  const Outcome run = extract_run(dir.path());
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(
      read_file(dir / "img_extract.csv", 4000)
          .find(": member rsna-intracranial-hemorrhage-detection/stage_2_train/bomb.dcm has 68157440 bytes, "
                "the limit is 67108864\"\n"),
      std::string::npos);
  std::string bytes = read_file(zip, 1 << 20);
  const std::size_t directory = bytes.find("PK\x01\x02", bytes.find("PK\x01\x02") + 4);
  for (const std::size_t at : {directory + 24, bytes.find("bomb.dcm") - train_folder.size() - 8})
    bytes.replace(at, 4, "\xff\xff\xff\x7f");
  dir.write("rsna-intracranial-hemorrhage-detection.zip", bytes);
  const Outcome lying = extract_run(dir.path());
  EXPECT_EQ(lying.code, 3);
  EXPECT_NE(last_line(lying, dir.path()).find("stage_2_train/bomb.dcm cannot unpack from "),
            std::string::npos)
      << lying.err;
}

TEST(ImgExtract, ColourIsNoSliceOfCt) {
  std::string bytes = dicom_of({.size = 16});
  const auto set = [&](const std::string& element, const std::string& value) {
    const std::size_t at = bytes.find(element);
    ASSERT_NE(at, std::string::npos);
    bytes.replace(at + element.size(), value.size(), value);
  };
  using namespace std::string_literals;
  set("\x28\0\x02\0US\x02\0"s, "\x03");  // SamplesPerPixel
  set("\x28\0\x10\0US\x02\0"s, "\x05");  // Rows
  set("\x28\0\x04\0"
      "CS\x0c\0"s,
      "RGB         ");  // PhotometricInterpretation
  EXPECT_EQ(message_of<DataError>([&] { hemorrhage::slice_units(bytes, "a.dcm"); }),
            "hemorrhage: a.dcm is in colour; slices of CT have one value a pixel");
}

int extract_writes = 0;

TEST(ImgExtract, AFullDiskIsOneLineAndTheRunGoesOnLater) {
  const Scratch dir;
  std::vector<CtSlice> slices;
  for (int i = 0; i < 12; ++i) slices.push_back({.image = cat("ID_", i)});
  write_ct_zip(dir.path(), slices);
  extract_writes = 0;
  detail::file_fault = [](const char* call, const char* path) {
    const bool picture = std::string_view(path).ends_with(".jpg") && std::string_view(call) == "write";
    return picture && ++extract_writes > 5 ? ENOSPC : 0;
  };
  const Outcome full = extract_run(dir.path(), {"--threads", "1"});
  detail::file_fault = nullptr;
  EXPECT_EQ(full.code, 6);
  EXPECT_EQ(last_line(full, dir.path()), "write: DIR/" + train_folder +
                                             "ID_5.jpg: no space left on device; free some space or choose "
                                             "another folder [GD-FILE-002]");
  EXPECT_TRUE(leftovers(dir.path()).empty());
  const Outcome run = extract_run(dir.path());
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(done(run)["metrics"]["there already"], 5);
  EXPECT_EQ(done(run)["metrics"]["written"], 7);
}

}  // namespace
}  // namespace gadolin::test
