// gadolin chestxray finetune: four starts, one table, McNemar's test between them.
#include "io/csv.h"
#include "tests/apps/chestxray/chest_films.h"

namespace gadolin::test {
namespace {

using nlohmann::json;

class ChestFinetune : public ChestFilms {
 protected:
  static void SetUpTestSuite() {
    ChestFilms::SetUpTestSuite();
    ASSERT_EQ(train("nih", {"--epochs", "1"}).code, 0);
    for (int i = 0; i < 30; ++i) {
      Image film = pattern(32, 32, 1);
      for (std::uint8_t& v : film.pixels) v = static_cast<std::uint8_t>(v / 3 + i);
      const bool abnormal = i % 3 == 0;
      if (abnormal)
        for (int y = 18; y < 30; ++y)
          for (int x = 6; x < 26; ++x) film.row<std::uint8_t>(y)[x] = 250;
      dir_->write(cat("hearts/", abnormal ? "abnormal" : "normal", "/", i, ".png"), encode_png(film));
    }
  }
  static std::vector<std::string> call(const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> args{"chestxray",
                                  "finetune",
                                  path("hearts"),
                                  "--out",
                                  path(out),
                                  "--shares",
                                  "0.5/0.2/0.3",
                                  "--input-size",
                                  "32",
                                  "--epochs",
                                  "1",
                                  "--batch-size",
                                  "5",
                                  "--workers",
                                  "0",
                                  "--resamples",
                                  "50",
                                  "--device",
                                  "cpu",
                                  "--net-option",
                                  "width=4"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
};

TEST_F(ChestFinetune, FourStartsAndTheMajorityInOneTable) {
  const std::string pth = fixture("chestxray/stage2_0003_01.pth");
  const Outcome run = run_here(
      call("four", {"--scratch-nih", path("nih"), "--imagenet-nih", pth, "--imagenet", pth, "--json"}));
  ASSERT_EQ(run.code, 0) << run.err;
  const CsvTable table = read_csv(path("four/finetune.csv"));
  ASSERT_EQ(table.rows.size(), 5u);
  EXPECT_EQ(table.header, (std::vector<std::string>{"variant", "start", "accuracy", "low", "high", "auc",
                                                    "auc_low", "auc_high"}));
  EXPECT_EQ(table.rows[4][1], "always normal");
  EXPECT_NEAR(std::stod(table.rows[4][2]), 2.0 / 3, 0.12);
  for (const auto& row : table.rows)
    EXPECT_TRUE(std::stod(row[3]) <= std::stod(row[2]) && std::stod(row[2]) <= std::stod(row[4])) << row[0];
  const CsvTable pairs = read_csv(path("four/mcnemar.csv"));
  EXPECT_EQ(pairs.rows.size(), 10u);
  const json metrics = last_event(run)["metrics"];
  EXPECT_TRUE(metrics.contains("accuracy/majority") && metrics.contains("mcnemar/1/4"));
  // The same films are tested with each.
  EXPECT_EQ(read_csv(path("four/variant-1/predictions.csv")).rows.size(),
            read_csv(path("four/variant-4/predictions.csv")).rows.size());
  // Runs that ended stay as they are.
  const Outcome again = run_here(call("four", {"--variants", "4", "--model", "resnet18", "--resume"}));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.out.find("always normal"), std::string::npos) << again.out;
}

TEST_F(ChestFinetune, LegacyAndMistakes) {
  EXPECT_EQ(run_here(call("old", {"--model", "resnet18", "--preset", "legacy", "--quiet"})).code, 0);
  EXPECT_EQ(said(run_here(call("x", {"--variants", "1,4"}))),
            "chestxray finetune: variant 1 begins with weights (scratch, NIH); give --scratch-nih FILE, or "
            "leave it out "
            "of --variants");
  EXPECT_EQ(said(run_here(call("x", {"--resume", "--overwrite"}))),
            "chestxray finetune: --resume and --overwrite exclude each other; leave one out");
  // Before the first training.
  const std::string of_resnet = fixture("chestxray/stage2_0003_01.pth");
  EXPECT_EQ(
      said(run_here(call("x", {"--model", "densenet121", "--imagenet", of_resnet}))),
      "chestxray finetune: --imagenet " + of_resnet +
          " is of resnet18, and densenet121 is trained; all variants are of one net, so leave it out or "
          "name another --model");
  EXPECT_FALSE(std::filesystem::exists(path("x")));
  auto three = call("x", {"--model", "resnet18"});
  three[2] = manifest();
  EXPECT_EQ(said(run_here(three)),
            "chestxray finetune: DIR/films/manifest.csv has 3 labels, several a film; two folders "
            "of films are needed, one a class");
  auto none = call("x", {"--model", "resnet18"});
  none[6] = "1/0/0";
  EXPECT_EQ(said(run_here(none)),
            "chestxray finetune: DIR/hearts gives no films of val; change --shares, or the splits "
            "of the data");
}

}  // namespace
}  // namespace gadolin::test
