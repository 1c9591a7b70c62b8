// gadolin chestxray predict: every finding of single films, with its threshold.
#include "apps/chestxray/commands.h"
#include "apps/chestxray/films.h"
#include "apps/chestxray/seed_checkpoint.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/answers.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "tasks/inputs.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

struct PredictFlags {
  std::vector<std::string> files;
  std::string ckpt, tta = "none", out;
};

void predict(Session& session, const PredictFlags& f) {
  if (!f.out.empty()) check_output_file("chestxray predict: --out", f.out, ".csv", f.files);
  const OpenedCheckpoint checkpoint(f.ckpt, session);
  Judges judges(session, checkpoint.path(), {}, views_of_tta(f.tta));
  const Task& task = judges.task();
  const ClassificationTask& classifier = as_findings(task, "chestxray predict", f.ckpt);
  refuse_pipes(session, "chestxray predict", f.files);
  const auto set = open_inputs("chestxray predict", f.files, task.classes());
  std::vector<std::vector<std::string>> rows{task.columns()};
  rows[0].insert(rows[0].begin(), "path");
  std::string table = "Image Index";
  for (std::size_t k = 0; k < task.classes().size(); ++k)
    if (classifier.trained(k)) table += "," + csv_field(task.classes()[k]);
  const Answers answers = answer_each(session, judges, checkpoint.path(), *set, 1,
                                      [&](std::int64_t i, const Outputs& outputs, const Said& said) {
                                        const std::string& file = set->info(i).name;
                                        for (auto row : said.rows) {
                                          row.insert(row.begin(), file);
                                          rows.push_back(std::move(row));
                                        }
                                        const std::vector<double> p = task.class_probabilities(outputs, 0);
                                        table += "\n" + csv_field(file.substr(file.rfind('/') + 1));
                                        for (std::size_t k = 0; k < p.size(); ++k)
                                          if (classifier.trained(k)) table += "," + exact_text(p[k]);
                                      });
  if (!session.communicator().first()) return;
  session.say(format_table(rows));
  if (!f.out.empty()) {
    write_file_atomically(f.out, table + "\n");
    session.output("predictions", f.out);
  }
  finish_answers(session, "chestxray predict", answers);
}

}  // namespace

void add_predict(Program& program, CLI::App* group) {
  const auto f = std::make_shared<PredictFlags>();
  CLI::App* app = program.add(
      group, "predict", "All findings of chest X-rays: probability, threshold, and whether it is reached",
      [f](Session& s) { predict(s, *f); },
      "gadolin chestxray predict film.png --ckpt runs/chest/checkpoints/best.gdck");
  app->add_option("files", f->files, "Films (PNG, JPEG, DICOM), folders of them, or .txt lists of paths")
      ->required();
  app->add_option("--ckpt,--checkpoint", f->ckpt,
                  "A checkpoint, the folder of a run, or a .pth of the original program")
      ->required();
  app->add_option("--tta", f->tta, "Views whose probabilities are averaged: none, hflip or ten-crop")
      ->check(one_of({"none", "hflip", "ten-crop"}))
      ->capture_default_str();
  app->add_option("--out", f->out, "Table (.csv): Image Index and a column of probabilities a finding");
}

}  // namespace gadolin::chestxray
