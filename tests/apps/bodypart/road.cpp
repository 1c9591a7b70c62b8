// The road of application A1: docs/bodypart.md as it is printed, and real DICOM files, from a folder to a
// table of body parts.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "data/database/database.h"
#include "data/dicom/dicom.h"
#include "io/csv.h"
#include "tests/apps/page.h"
#include "tests/apps/program.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {
namespace fs = std::filesystem;

struct BodypartRoad : testing::Test {
  void SetUp() override {
    if (!dicom_available() || !database_available()) GTEST_SKIP() << "built without DICOM or databases";
  }
  const Scratch dir;

  nlohmann::json metrics(const std::string& path) const {
    return nlohmann::json::parse(contents_of(dir / path));
  }
  std::size_t files_in(const std::string& folder) const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(dir / folder), fs::directory_iterator()));
  }
};

TEST_F(BodypartRoad, TheDocument) {
  ASSERT_EQ(run_page(dir, "bodypart.md",
                     {"bodypart create-database", "bodypart fetch-image", "bodypart preprocess-image",
                      "bodypart convert-data", "bodypart train", "bodypart eval", "bodypart classify"}),
            "");

  // 120 patients of 7 films; nothing is lost on the way.
  EXPECT_EQ(read_csv(dir / "index.csv").rows.size(), 840u);
  EXPECT_EQ(read_csv(dir / "refused.csv").rows.size(), 0u);
  for (const char* folder : {"set/fetch", "set/images", "set/preprocessed_images_bit"})
    EXPECT_EQ(files_in(folder), 840u) << folder;
  EXPECT_EQ(files_in("set/labels"), 840u + 120) << "and the facts of the last query";
  EXPECT_EQ(contents_of(dir / "records/labels.txt"),
            "0:Abdomen\n1:Chest\n2:Hand\n3:Head\n4:Musculoskeletal\n5:Pelvis\n6:Spine\n");

  // No patient is on two sides.
  const CsvTable split = read_csv(dir / "records/split.csv");
  const auto patient = static_cast<std::size_t>(split.column("patient_id")),
             side = static_cast<std::size_t>(split.column("split"));
  std::map<std::string, std::set<std::string>> sides;
  for (const auto& row : split.rows) sides[row[patient]].insert(row[side]);
  EXPECT_EQ(sides.size(), 120u);
  for (const auto& [name, of] : sides) EXPECT_EQ(of.size(), 1u) << name;

  const auto evaluated = metrics("evaluation/metrics.json");
  EXPECT_EQ(evaluated["samples"], 126);
  EXPECT_GE(evaluated["metrics"]["accuracy"]["value"].get<double>(), 0.98);

  // Films of other patients, straight from DICOM: what the files say is what the net sees.
  const auto table = table_of(contents_of(dir / "new.tsv"), '\t');
  ASSERT_EQ(table.size(), 1u + 21);
  EXPECT_EQ(table[0], (std::vector<std::string>{"image", "Abdomen", "Chest", "Hand", "Head",
                                                "Musculoskeletal", "Pelvis", "Spine", "predicted_class"}));
  int right = 0;
  for (std::size_t i = 1; i < table.size(); ++i) {
    ASSERT_EQ(table[i].size(), 9u);
    double sum = 0;
    for (std::size_t k = 1; k < 8; ++k) sum += std::stod(table[i][k]);
    EXPECT_NEAR(sum, 1, 1e-6);
    std::string part = DicomFile::open(dir / table[i][0]).text(dicom::body_part), said = table[i][8];
    for (char& c : said) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    right += part == said;
  }
  EXPECT_GE(right, 20) << contents_of(dir / "new.tsv");
  EXPECT_EQ(table_of(contents_of(dir / "test.tsv"), '\t').size(), 1u + 126);
  EXPECT_EQ(leftovers(dir.path()), std::vector<std::string>());
}

// Real films and slices of six body parts (tests/fixtures/bodypart/README.md), among files that have none or
// no picture.
TEST_F(BodypartRoad, RealFiles) {
  fs::create_directories(dir / "scans");
  for (const char* folder : {"bodypart", "dicom/pydicom"}) {
    fs::copy(fixture(folder), dir / "scans/" + std::string(folder).substr(0, 5), fs::copy_options::recursive);
  }
  const std::string script = R"(
gadolin bodypart create-database --directory scans --database films.db --report refused.csv \
  --json > database.json
for part in BREAST CHEST CSPINE HEAD PROSTATE 'WHOLE BODY'; do
  gadolin bodypart fetch-image --query "$part" --directory set --database films.db --metadata true
done
gadolin bodypart preprocess-image --directory set/images --preprocess target_segmentation --value 2
gadolin bodypart preprocess-image --directory set/images --preprocess bitwise_downsampling --value 6
gadolin bodypart convert-data --dataset_name dicom --dataset_dir set \
  --images preprocessed_images_bit --output_dir records --output_name train-dicom --seed 1
cp records/train-dicom.tfrecord records/validation-dicom.tfrecord  # five patients cannot be divided
gadolin bodypart train --trainer resnet --data_dir records --model_dir run --resnet_size 18 \
  --net_option width=4 --channels 1 --train_image_size 32 --batch_size 4 --batch_norm_decay 0.9 \
  --train_epochs 8 --threads 1
gadolin bodypart eval --checkpoint_path run --dataset_dir records \
  --dataset_split_name train --eval_dir evaluation
find set/fetch -name '*.dcm' | sort > films.txt
code=0
gadolin bodypart classify --checkpoint_path run --infile films.txt --names --outfile films.tsv || code=$?
test $code = 3
)";
  ASSERT_EQ(shell(dir, script), "");

  // Twelve of the files name a part and can be shown; of the two CHEST films without pixels nothing is left
  // but their rows.
  const auto database = nlohmann::json::parse([&] {
    std::string text = contents_of(dir / "database.json");
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.substr(text.rfind('\n') + 1);
  }());
  EXPECT_EQ(database["metrics"]["inserted"], 14);
  EXPECT_EQ(database["metrics"]["files"].get<std::size_t>(), 14 + read_csv(dir / "refused.csv").rows.size())
      << "each file is stored or named";
  for (const char* folder : {"set/images", "set/preprocessed_images_seg", "set/preprocessed_images_bit"})
    EXPECT_EQ(files_in(folder), 12u) << folder;
  EXPECT_EQ(read_csv(dir / "set/manifest.csv").rows.size(), 12u);
  EXPECT_EQ(contents_of(dir / "records/labels.txt"),
            "0:Breast\n1:Chest\n2:Cspine\n3:Head\n4:Prostate\n5:Whole body\n");
  EXPECT_EQ(metrics("evaluation/metrics.json")["samples"], 12);
  // set/fetch also has the two without pixels; classify names them and tells the others.
  const auto table = table_of(contents_of(dir / "films.tsv"), '\t');
  ASSERT_EQ(table.size(), 1u + 12);
  for (std::size_t i = 1; i < table.size(); ++i) {
    double sum = 0;
    for (std::size_t k = 1; k < 7; ++k) sum += std::stod(table[i].at(k));
    EXPECT_NEAR(sum, 1, 1e-6) << table[i][0];
  }
  // No name of a patient is in what was said.
  const std::string said =
      contents_of(dir / "said.txt") + contents_of(dir / "database.json") + contents_of(dir / "refused.csv");
  for (const char* name : {"Doe", "Archibald", "CompressedSamples", "ACRIN-FLT-Breast_029"})
    EXPECT_EQ(said.find(name), std::string::npos) << name;
}

}  // namespace
}  // namespace gadolin::test
