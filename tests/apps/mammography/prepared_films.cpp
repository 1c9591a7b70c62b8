// A detector that learnt from prepared films is not shown others.
#include <gtest/gtest.h>

#include "tests/apps/mammography/detector_run.h"
#include "tests/data/messages.h"
#include "train/checkpoint.h"

namespace gadolin::test {
namespace {

TEST(PreparedFilms, EvaluationsOfDicomTablesAreRefused) {
  const ApartSquares films(12);
  const std::string run = films.path() + "/run";
  const Outcome trained = run_here(squares_training(films.table(), run, {"--epochs", "1", "--steps", "2"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  Checkpoint tuned = load_checkpoint(run + "/resnet18_csv_01.gdck");
  tuned.facts["preparation"] = "as in preparation.json";
  const std::string checkpoint = films / "tuned.gdck";
  save_checkpoint(checkpoint, tuned);
  std::filesystem::copy_file(fixture("dicom/pydicom/MR_small.dcm"), films / "film.dcm");
  const std::string table = films.write("films.csv", "path,x1,y1,x2,y2,class\nfilm.dcm,1,1,20,20,bright\n");
  const std::string refused =
      "eval: film.dcm is DICOM, and DIR/tuned.gdck learnt from films that were cut and windowed; gadolin "
      "mammography convert makes a set of such pictures, so evaluate that [GD-USAGE-001]";
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"eval", table, "--split", "all", "--checkpoint", checkpoint, "--device", "cpu"},
           {"mammography", "evaluate", "csv", table, checkpoint, "--device", "cpu"}})
    EXPECT_EQ(last_line(run_here(command), films.path()), refused);
}

}  // namespace
}  // namespace gadolin::test
