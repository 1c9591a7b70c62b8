// hemorrhage process-labels: the tables as pandas would leave them, and every way in which one can be wrong.
#include <gtest/gtest.h>

#include "apps/hemorrhage/labels.h"
#include "io/atomic_file.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

// Six rows of one image: values in the order of the subtypes.
std::string image_rows(const std::string& id, const std::string& values) {
  const char* names[] = {"epidural",     "intraparenchymal", "intraventricular",
                         "subarachnoid", "subdural",         "any"};
  std::string text;
  for (std::size_t s = 0; s < 6; ++s) text += id + "_" + names[s] + "," + values[s] + "\n";
  return text;
}

Outcome label_run(const std::string& folder, const std::string& table, bool mend = false) {
  write_file_atomically(folder + "/stage_2_train.csv", table);
  std::vector<std::string> args{"hemorrhage", "process-labels", "--data_dir", folder, "--json"};
  if (mend) args.push_back("--mend-any");
  return run_here(args);
}

TEST(HemorrhageLabels, TwoTablesWithoutRepeatedRows) {
  const Scratch dir;
  const std::string again = image_rows("ID_b2", "000000");
  const Outcome run = label_run(
      dir.path(), "ID,Label\n" + image_rows("ID_b2", "000000") + image_rows("ID_a1", "010001") + again);
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(done(run)["metrics"]["images"], 2);
  EXPECT_EQ(done(run)["metrics"]["repeated"], 6);
  EXPECT_EQ(done(run)["metrics"]["intraparenchymal"], 1);
  EXPECT_EQ(read_file(dir / "reshaped_stage_2_train.csv", 1000),
            "ImgID,any,epidural,intraparenchymal,intraventricular,subarachnoid,subdural\n"
            "ID_a1,1,0,1,0,0,0\nID_b2,0,0,0,0,0,0\n");
  const std::string processed = read_file(dir / "processed_stage_2_train.csv", 5000);
  EXPECT_EQ(processed.substr(0, 81),
            "ID,Label,Sub_type,PatientID,ImgID\nID_b2_epidural,0,epidural,b2,ID_b2\nID_b2_intrap");
  EXPECT_EQ(std::count(processed.begin(), processed.end(), '\n'), 13);
}

TEST(HemorrhageLabels, WhatIsWrongIsNamedInOneLine) {
  const Scratch dir;
  const auto said = [&](const std::string& table) {
    const Outcome run = label_run(dir.path(), table);
    EXPECT_EQ(run.code, 3) << run.out;
    return last_line(run, dir.path());
  };
  const std::string good = image_rows("ID_a1", "000000");
  EXPECT_EQ(said("ID,Value\n"),
            "csv: DIR/stage_2_train.csv:1: there is no column 'Label'; there are ID, Value [GD-DATA-001]");
  EXPECT_EQ(said("ID,Label\nID_a1_frontal,0\n"),
            "labels: DIR/stage_2_train.csv:2: the ID is 'ID_a1_frontal'; it must be "
            "ID_<hex>_<subtype>, as in ID_12cadc6af_subdural [GD-DATA-001]");
  EXPECT_EQ(said("ID,Label\nID_a1_any,0.5\n"),
            "labels: DIR/stage_2_train.csv:2: the label is '0.5'; it must be 0 or 1 [GD-DATA-001]");
  EXPECT_EQ(said("ID,Label\n" + good + "ID_a1_any,1\n"),
            "labels: DIR/stage_2_train.csv:8: ID_a1_any is 1, an earlier row says 0; remove the "
            "wrong one [GD-DATA-001]");
  EXPECT_EQ(said("ID,Label\n" + good + "ID_c3_any,1\n"),
            "labels: DIR/stage_2_train.csv: 1 of 2 images have fewer than six rows: ID_c3 has none "
            "of subdural; the table was cut, fetch it again [GD-DATA-001]");
  const std::string torn = "ID,Label\n" + image_rows("ID_a1", "000010") + image_rows("ID_b2", "000001");
  EXPECT_EQ(said(torn),
            "process-labels: DIR/stage_2_train.csv: any contradicts the subtypes of 2 of 2 images: "
            "ID_a1 has a subtype and any = 0; correct the table, or add --mend-any to take the subtypes' "
            "word [GD-DATA-001]");
  const Outcome mended = label_run(dir.path(), torn, true);
  ASSERT_EQ(mended.code, 0) << mended.err;
  EXPECT_EQ(read_file(dir / "reshaped_stage_2_train.csv", 1000).substr(75),
            "ID_a1,1,0,0,0,0,1\nID_b2,0,0,0,0,0,0\n");
  EXPECT_EQ(label_run(dir.path(), "").code, 3);
}

TEST(HemorrhageLabels, TheReshapedTableIsReadBack) {
  const Scratch dir;
  const std::string head = "ImgID,any,epidural,intraparenchymal,intraventricular,subarachnoid,subdural\n";
  const auto images = hemorrhage::read_reshaped_labels(dir.write("r.csv", head + "ID_a1,1,0,0,0,0,1\n"));
  ASSERT_EQ(images.size(), 1u);
  EXPECT_EQ(images.at("ID_a1").values, 1u << 4 | 1u << 5);
  const std::string twice = dir.write("t.csv", head + "ID_a1,0,0,0,0,0,0\nID_a1,0,0,0,0,0,0\n");
  EXPECT_EQ(message_of<DataError>([&] { hemorrhage::read_reshaped_labels(twice); }),
            "labels: " + twice + ":3: image ID_a1 is listed twice");
}

}  // namespace
}  // namespace gadolin::test
