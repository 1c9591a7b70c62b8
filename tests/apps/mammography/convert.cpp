// gadolin mammography convert as a command: what it writes and prints, films of folders and mini-MIAS,
// mistakes.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/mammography/film.h"
#include "apps/mammography/preparation.h"
#include "apps/mammography/source.h"
#include "apps/mammography/synth_mammo.h"
#include "data/dicom/dicom.h"
#include "data/sets/boxes/write_boxes.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "tests/apps/in_process.h"
#include "tests/data/messages.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;
using namespace gadolin::mammography;

struct MammoConvert : testing::Test {
  Outcome convert(std::vector<std::string> args) const {
    args.insert(args.begin(), {"mammography", "convert"});
    return run_here(args);
  }
  std::string says(std::vector<std::string> args) const {
    return last_line(convert(std::move(args)), dir.path());
  }
  // Rows of a table by the name of a picture, and a field of one.
  static std::string field(const CsvTable& table, const std::string& path, const char* column) {
    for (const auto& row : table.rows)
      if (row[0] == path) return row[static_cast<std::size_t>(table.column(column))];
    return "no such row";
  }
  // A film as in film.cpp, as a PGM: air, a breast at one side, a bright lesion at x 10..13, y 12..15.
  void pgm(const std::string& name, bool right = false) const {
    Image film(40, 30, 1);
    for (int y = 5; y < 25; ++y) {
      for (int x = 0; x < 20; ++x) {
        const bool lesion = x >= 10 && x < 14 && y >= 12 && y < 16;
        film.row<std::uint8_t>(y)[right ? 39 - x : x] =
            static_cast<std::uint8_t>(lesion ? 200 : 90 + (x + y) % 40);
      }
    }
    std::string text = "P5\n40 30\n255\n";
    text.append(reinterpret_cast<const char*>(film.pixels.data()), film.pixels.size());
    dir.write(name, text);
  }
  // images/inbreast-PATIENT-L_CC.png
  static bool says_side(const std::string& name, const std::string& side) {
    return side.size() == 1 && name.find("-" + side + "_") != std::string::npos;
  }
  const Scratch dir;
};

TEST_F(MammoConvert, AMadeUpInbreast) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  fs::create_directory(dir / "in");
  write_synth_inbreast(dir / "in", {.patients = 5, .size = 128, .seed = 3, .faults = {"side"}});
  const Outcome run =
      convert({dir / "in", dir / "out", "--findings", "mass,cluster", "--flip", "left", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto metrics = done(run)["metrics"];
  EXPECT_EQ(metrics["films"], 20);
  EXPECT_EQ(metrics["people"], 5);
  EXPECT_EQ(metrics["sides_contradicted"], 1);
  EXPECT_NE(run.err.find("side: AllDICOMs/20000"), std::string::npos) << run.err;  // D8
  EXPECT_NE(run.err.find("on the film it is on the"), std::string::npos);

  // The table is one that every command reads.
  DatasetOptions numbered;
  numbered.class_file = dir / "out/classes.csv";
  const auto set = open_box_table(dir / "out/boxes.csv", numbered);
  EXPECT_EQ(set->size(), 20);
  EXPECT_EQ(set->counts().boxes, metrics["boxes"].get<std::int64_t>());
  EXPECT_EQ(set->classes(), std::vector<std::string>{"lesion"});
  EXPECT_EQ(run_here({"data", "check", dir / "out/boxes.csv"}).code, 0);

  // The side of every breast, also in the table with splits.
  write_box_table(dir / "split.csv", *set);
  const auto divided = open_box_table(dir / "split.csv");
  for (std::int64_t i = 0; i < set->size(); ++i) {
    EXPECT_TRUE(says_side(set->info(i).name, set->picture(i).side)) << set->info(i).name;
    EXPECT_EQ(divided->picture(i).side, set->picture(i).side);
  }

  // D2: the bits of a picture are those of the one function with the settings of preparation.json.
  const FilmSettings settings = read_preparation(dir / "out/preparation.json");
  EXPECT_TRUE(settings.flip);
  const auto prepared = nlohmann::json::parse(contents_of(dir / "out/preparation.json"));
  for (const auto& film : prepared["films"]) {
    const std::string name = film["film"];
    const FilmPicture p = prepare_film(read_film(read_bytes(dir / "in/" + name), name), settings, name);
    EXPECT_EQ(read_image(dir / "out/" + film["picture"].get<std::string>()), p.image) << name;
    EXPECT_EQ(film["flipped"], p.flipped);
  }
  EXPECT_EQ(
      prepared["malignant"],
      "BI-RADS of the film 4 to 6; 1 and 2 are benign, 3 is unknown; an assessment of the whole film, no "
      "biopsy of a lesion");

  EXPECT_EQ(read_image(dir / "out/sheets/001.png").channels, 3) << "every film with boxes, to look through";

  // Boxes lie on what is bright, also where a film was mirrored.
  for (std::int64_t i = 0; i < set->size(); ++i) {
    const Image image = set->image(i);
    for (const MarkedBox& b : set->picture(i).boxes) {
      double in = 0, all = 0, count = 0;
      for (int y = 0; y < image.height; ++y) {
        for (int x = 0; x < image.width; ++x) {
          const double v = image.row<std::uint16_t>(y)[x];
          all += v / static_cast<double>(image.numel());
          if (x < b.box.x1 || x >= b.box.x2 || y < b.box.y1 || y >= b.box.y2) continue;
          in += v;
          ++count;
        }
      }
      EXPECT_GT(in / count, 1.2 * all) << set->info(i).name;
    }
  }
}

TEST_F(MammoConvert, AMadeUpCbis) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  fs::create_directory(dir / "in");
  write_synth_cbis(dir / "in",
                   {.patients = 6, .size = 128, .seed = 4, .abnormal = 1, .faults = {"unmatched"}});
  // D5: what has no partner stops the conversion, and nothing is there afterwards.
  EXPECT_EQ(says({dir / "in", dir / "out"}),
            "mammography convert: DIR/in: 1 rows without files and 1 files without rows; look at the list "
            "above, or "
            "add --skip-wrong to go on without them [GD-DATA-001]");
  EXPECT_FALSE(fs::exists(dir / "out"));
  const Outcome run = convert({dir / "in", dir / "out", "--skip-wrong", "--classes", "verdict"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("6 people behind "), std::string::npos) << run.out;  // D4
  const CsvTable rest = read_csv(dir / "out/left_out.csv"), boxes = read_csv(dir / "out/boxes.csv");
  EXPECT_EQ(rest.rows.size(), 2u);
  EXPECT_EQ(contents_of(dir / "out/classes.csv"), "name,id\nbenign,0\nmalignant,1\n");
  for (const auto& row : boxes.rows) EXPECT_EQ(row[5], row[12]) << "the class is the lesion's own verdict";
  EXPECT_EQ(boxes.rows[0][0].substr(0, 12), "images/cbis-");
}

TEST_F(MammoConvert, MiniMias) {
  for (const char* name : {"mdb001", "mdb002", "mdb003", "mdb004"})
    pgm(std::string("in/pgm/") + name + ".pgm",
        std::string(name).ends_with('1') || std::string(name).ends_with('3'));
  // y from below: rows 12 to 16 of 30; the film is mirrored where the number is odd.
  const std::string lines =
      "The database.\n\nmdb001 G CIRC B 28 15 2\nmdb002 G NORM\nmdb003 F CALC M *NOTE 3*\n";
  dir.write("in/Info.txt", lines + "mdb004 D SPIC M 12 15 2\nmdb004 D ARCH B 5 15 2\n");
  const Outcome run = convert({dir / "in", dir / "out", "--classes", "kind"});
  ASSERT_EQ(run.code, 0) << run.err;
  const CsvTable boxes = read_csv(dir / "out/boxes.csv");
  ASSERT_EQ(boxes.rows.size(), 4u);
  EXPECT_EQ(std::vector<std::string>(boxes.rows[0].begin(), boxes.rows[0].begin() + 9),
            (std::vector<std::string>{"images/mias-mdb1-R_MLO.png", "6", "7", "10", "11", "mass", "mdb1", "",
                                      "R"}));
  EXPECT_EQ(field(boxes, "images/mias-mdb1-L_MLO.png", "image_verdict"), "normal");
  EXPECT_EQ(field(boxes, "images/mias-mdb2-L_MLO.png", "lesion_verdict"), "malignant");
  EXPECT_EQ(boxes.rows[3][5], "distortion");
  EXPECT_EQ(field(boxes, "images/mias-mdb1-R_MLO.png", "shape"), "ellipse");
  EXPECT_EQ(field(boxes, "images/mias-mdb1-L_MLO.png", "shape"), "");
  const auto set = open_box_table(dir / "out/boxes.csv");
  EXPECT_TRUE(set->picture(0).boxes[0].box.ellipse) << "a circle stays tight when it is turned";
  EXPECT_EQ(set->picture(0).side, "R");
  EXPECT_NE(
      contents_of(dir / "out/left_out.csv").find("pgm/mdb003.pgm,a finding on it has no place in Info.txt"),
      std::string::npos);

  const auto wrong = [&](const std::string& line) {
    dir.write("in/Info.txt", line);
    return says({dir / "in", dir / "new"});
  };
  EXPECT_EQ(wrong("nothing\n"),
            "mini-mias: Info.txt has no line like mdb001 G CIRC B 535 425 197 [GD-DATA-001]");
  EXPECT_EQ(wrong("\nmdb1 G NORM\n"), "mini-mias: Info.txt:2: 'mdb1' is no film like mdb001 [GD-DATA-001]");
  EXPECT_EQ(
      wrong("mdb001 G LUMP\n"),
      "mini-mias: Info.txt:1: 'mdb001 G LUMP' is not like mdb001 G CIRC B 535 425 197, or mdb003 D NORM "
      "[GD-DATA-001]");
  EXPECT_EQ(wrong("mdb001 G CIRC 5\n"),
            "mini-mias: Info.txt:1: 'mdb001 G CIRC 5' has no severity, B or M [GD-DATA-001]");
  for (const char* end : {"5 5", "5 5 0", "5 x 5", "5 5 5 5", "-1 5 5"})
    EXPECT_EQ(wrong(std::string("mdb001 G CIRC B ") + end),
              std::string("mini-mias: Info.txt:1: 'mdb001 G CIRC B ") + end +
                  "' does not end with x, y and a radius above 0 [GD-DATA-001]");
  dir.write("in/Info.txt", lines + "mdb009 G NORM\n");
  const Outcome unmatched = convert({dir / "in", dir / "new"});
  EXPECT_EQ(unmatched.code, 3);
  EXPECT_NE(unmatched.err.find("unmatched: row Info.txt:6: there is no mdb009.pgm\n"), std::string::npos);
  EXPECT_NE(unmatched.err.find("unmatched: file pgm/mdb004.pgm: no line of Info.txt names it\n"),
            std::string::npos);
  fs::remove(dir / "in/Info.txt");
  EXPECT_EQ(says({dir / "in", dir / "new", "--source", "mini-mias"}),
            "mini-mias: DIR/in has no Info.txt [GD-DATA-001]");
}

// Films without truth, with a table of boxes, all normal.
TEST_F(MammoConvert, FoldersOfFilms) {
  pgm("in/p1_a.pgm");
  pgm("in/p1_b.pgm", true);
  ASSERT_EQ(convert({dir / "in", dir / "none", "--patient-until", "_"}).code, 0);
  EXPECT_FALSE(fs::exists(dir / "none/boxes.csv")) << "nothing is known, so nothing is normal";
  EXPECT_EQ(contents_of(dir / "none/films.csv"),
            "path,patient,side,view\nimages/films-p1.png,p1,,\nimages/films-p1_2.png,p1,,\n");
  ASSERT_EQ(convert({dir / "in", dir / "normal", "--normal"}).code, 0);
  EXPECT_EQ(field(read_csv(dir / "normal/boxes.csv"), "images/films-p1_a.png", "image_verdict"), "normal");
  EXPECT_FALSE(fs::exists(dir / "normal/classes.csv"));

  dir.write("boxes.csv", "p1_a.pgm,10,12,14,16,mass\np1_b.pgm,26,12,30,16,mass\n");
  for (const std::string flip : {"none", "left"}) {
    const Outcome run = convert(
        {dir / "in", dir / ("flip_" + flip), "--boxes", dir / "boxes.csv", "--flip", flip, "--bits", "8"});
    ASSERT_EQ(run.code, 0) << run.err;
    const CsvTable boxes = read_csv(dir / ("flip_" + flip + "/boxes.csv"));
    const auto corners = [&](std::size_t i) {
      return std::vector<std::string>(boxes.rows[i].begin() + 1, boxes.rows[i].begin() + 5);
    };
    EXPECT_EQ(corners(0), (std::vector<std::string>{"10", "7", "14", "11"}))
        << "five rows of air are cropped";
    EXPECT_EQ(corners(1), flip == "left" ? corners(0) : (std::vector<std::string>{"6", "7", "10", "11"}));
    EXPECT_EQ(read_image(dir / ("flip_" + flip + "/images/films-p1_a.png")).bits, 8);
  }
  // Boxes where the crop cuts, and outside of it.
  dir.write("boxes.csv", "p1_a.pgm,15,12,30,16,mass\np1_b.pgm,0,0,4,4,mass\n");
  EXPECT_EQ(says({dir / "in", dir / "new", "--boxes", dir / "boxes.csv"}),
            "mammography convert: 1 of 2 films cannot be used; look at the list above, or add --skip-wrong "
            "to go on "
            "without them [GD-DATA-001]");
  EXPECT_FALSE(fs::exists(dir / "new"));
  const Outcome cut = convert({dir / "in", dir / "cut", "--boxes", dir / "boxes.csv", "--skip-wrong"});
  ASSERT_EQ(cut.code, 0) << cut.err;
  EXPECT_NE(
      cut.err.find("left out: film p1_b.pgm: film: p1_b.pgm: the lesion at 0 0 4 4 lies outside the 20 x 20 "
                   "pixels that are kept\n"),
      std::string::npos)
      << cut.err;
  EXPECT_NE(cut.out.find("1 boxes, 1 of them cut at an edge"), std::string::npos) << cut.out;
}

TEST_F(MammoConvert, PatientsAreNotNamed) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const SynthMammogram film = synth_mammogram({.size = 128}, 0, true, true);
  SynthTexts texts = synth_mammo_texts("Miller 1955", "1.2.3", "1.2.4", "1.2.5");
  texts.emplace_back(dicom::image_laterality, "L");
  texts.emplace_back(dicom::view_position, "CC");
  dir.write("in/a", synth_mammo_dicom(texts, film.pixels, 12, film.inverted));
  ASSERT_EQ(convert({dir / "in", dir / "out", "--normal"}).code, 0);
  for (const char* name : {"boxes.csv", "preparation.json", "left_out.csv"})
    EXPECT_EQ(contents_of(dir / "out/" + name).find("Miller"), std::string::npos) << name;
  EXPECT_EQ(read_csv(dir / "out/boxes.csv").rows[0][6].substr(0, 2), "P-");
  ASSERT_EQ(convert({dir / "in", dir / "kept", "--normal", "--keep-patient-ids"}).code, 0);
  EXPECT_EQ(read_csv(dir / "kept/boxes.csv").rows[0][0], "images/films-Miller_1955-L_CC.png");
}

// D8: what header, name and pixels say of the side.
TEST_F(MammoConvert, SidesThatContradict) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const SynthMammogram film = synth_mammogram({.size = 128}, 0, false, true);
  SynthTexts texts = synth_mammo_texts("aa", "1.2.3", "1.2.4", "1.2.5");
  texts.emplace_back(dicom::image_laterality, "R");
  dir.write("in/20_aa_MG_L_CC_ANON.dcm", synth_mammo_dicom(texts, film.pixels, 12, film.inverted));
  const Outcome run = convert({dir / "in", dir / "out"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find(
                "side: 20_aa_MG_L_CC_ANON.dcm: its header says side R, inbreast says L\n"
                "side: 20_aa_MG_L_CC_ANON.dcm: it is said to be of side L, whose chest wall is on the left; "
                "on the film it is on the right\n"),
            std::string::npos)
      << run.err;
  EXPECT_NE(contents_of(dir / "out/preparation.json").find("its header says side R"), std::string::npos);
  SynthTexts part = synth_mammo_texts("aa", "1.2.3", "1.2.4", "1.2.5");
  part.emplace_back(dicom::body_part, "Left Breast");
  const std::string bytes = synth_mammo_dicom(part, film.pixels, 12, false);
  EXPECT_EQ(side_of_header(DicomFile(bytes, "a")), "L") << "as CBIS-DDSM writes it";
}

TEST_F(MammoConvert, DamagedFilms) {
  if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  const SynthMammogram film = synth_mammogram({.size = 128}, 0, true, true);
  const std::string bytes =
      synth_mammo_dicom(synth_mammo_texts("aa", "1.2.3", "1.2.4", "1.2.5"), film.pixels, 12, film.inverted);
  dir.write("in/a.dcm", bytes);
  dir.write("in/b.dcm", bytes.substr(0, bytes.size() / 2));
  dir.write("in/c.dcm", bytes.substr(0, 200));
  EXPECT_EQ(says({dir / "in", dir / "out", "--normal"}),
            "mammography convert: 2 of 3 films cannot be used; look at the list above, or add --skip-wrong "
            "to go on "
            "without them [GD-DATA-001]");
  EXPECT_FALSE(fs::exists(dir / "out"));
  const Outcome run = convert({dir / "in", dir / "out", "--normal", "--skip-wrong"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(read_csv(dir / "out/boxes.csv").rows.size(), 1u);
  EXPECT_EQ(read_csv(dir / "out/left_out.csv").rows.size(), 2u);
}

TEST_F(MammoConvert, Mistakes) {
  pgm("in/a.pgm");
  EXPECT_EQ(says({dir / "in", dir / "out", "--flip", "YES"}),
            "--flip YES is unknown; use none or left [GD-USAGE-001]");
  EXPECT_EQ(says({dir / "in", dir / "out", "--crop", "true"}),
            "--crop true is unknown; use breast or none [GD-USAGE-001]");
  EXPECT_EQ(says({dir / "in", dir / "out", "--percentiles", "99,1"}),
            "mammography convert: --percentiles 99,1: the lower one comes first [GD-USAGE-001]");
  EXPECT_EQ(
      says({dir / "in", dir / "out", "--boxes", "b.csv", "--normal"}),
      "mammography convert: --boxes and --normal contradict each other; give one of them [GD-USAGE-001]");
  dir.write("mias/Info.txt", "mdb001 G NORM\n");
  EXPECT_EQ(says({dir / "mias", dir / "out", "--normal"}),
            "mammography convert: --boxes and --normal are for films, and this is mini-mias; leave them out, "
            "or give "
            "--source films [GD-USAGE-001]");
  EXPECT_EQ(says({dir / "mias", dir / "out", "--sheet", "x.csv"}),
            "mammography convert: --sheet and --xml are for inbreast, and this is mini-mias; leave them out, "
            "or name "
            "the source with --source [GD-USAGE-001]");
  fs::create_directory(dir / "empty");
  EXPECT_EQ(says({dir / "empty", dir / "out"}),
            "mammography convert: DIR/empty holds no films; DICOM, PNG, PGM, JPEG and BMP files are looked "
            "for in all "
            "its folders [GD-DATA-001]");
  dir.write("bad/a.pgm", "P5\n4 4\n255\n");
  EXPECT_EQ(says({dir / "bad", dir / "out", "--skip-wrong"}),
            "mammography convert: no film of DIR/bad became a picture; look at the list above [GD-DATA-001]");
  EXPECT_FALSE(fs::exists(dir / "out"));
  EXPECT_TRUE(leftovers(dir.path()).empty());
  dir.write("out/x", "");
  EXPECT_EQ(
      says({dir / "in", dir / "out"}),
      "mammography convert: DIR/out exists and is no empty folder; give another or remove it [GD-USAGE-001]");
  // An unknown verdict is no class.
  Source source;
  source.films = {{"a", "", "", "", "", Split::none, {{{}, "mass", ""}}},
                  {"b", "", "", "", "benign", Split::none, {{{}, "mass", ""}}}};
  drop_unknown_verdicts(source);
  ASSERT_EQ(source.films.size(), 1u);
  EXPECT_EQ(source.left_out[0].reason, "whether a lesion on it is malignant is not known");
}

}  // namespace
}  // namespace gadolin::test
