// gadolin data synth ct-series: made-up head CTs in an archive.
#include <memory>

#include "apps/commands.h"
#include "apps/hemorrhage/synth_ct.h"
#include "apps/program/command.h"
#include "apps/program/ranges.h"
#include "io/staged_folder.h"
#include "tensor/check.h"

namespace gadolin {

void add_synth_ct_series(Program& program, CLI::App* synth) {
  struct Options {
    std::string out;
    hemorrhage::SynthCtOptions heads;
  };
  const auto o = std::make_shared<Options>();
  const auto run = [o](Session& session) {
    o->heads.seed = session.common().seed;
    StagedFolder folder("data synth ct-series", o->out);
    const hemorrhage::SynthCtCount made = hemorrhage::write_synth_ct(folder.path(), o->heads);
    folder.commit();
    session.say(cat(made.files, " slices in ", made.series, " series of ", o->heads.patients,
                    " made-up patients in ", o->out, "; ", made.positive, " slices show blood"));
    session.metric("files", made.files);
    session.metric("series", made.series);
    session.metric("positive", made.positive);
    session.output("folder", o->out);
  };
  CLI::App* app =
      program.add(synth, "ct-series", "Made-up head CTs in an archive of DICOM files, some with blood", run,
                  "gadolin data synth ct-series ct --patients 60");
  app->add_option("folder", o->out, "Folder to make")->required();
  app->add_option("--patients", o->heads.patients, "Patients to make up; one in five has two series")
      ->check(between(8, 100000))
      ->capture_default_str();
  app->add_option("--slices", o->heads.slices, "Slices of a series")
      ->check(between(4, 500))
      ->capture_default_str();
  app->add_option("--size", o->heads.size, "Pixels a side")->check(between(16, 1024))->capture_default_str();
  app->add_option("--bleeding", o->heads.bleeding, "Share of the patients with blood")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--test", o->heads.test, "Share of the patients in stage_2_test, whose labels are apart")
      ->check(between(0.0, 0.5))
      ->capture_default_str();
  app->add_flag("--clean", o->heads.clean,
                "Without what real archives have: files twice, passes over the same place, gaps, damage");
}

}  // namespace gadolin
