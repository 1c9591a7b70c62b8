// gadolin data synth chest: made-up chest films in the form of NIH's.
#include <memory>

#include "apps/chestxray/synth_chest.h"
#include "apps/commands.h"
#include "apps/program/ranges.h"
#include "data/dicom/dictionary.h"
#include "io/staged_folder.h"
#include "tensor/check.h"

namespace gadolin {

void add_synth_chest(Program& program, CLI::App* synth) {
  struct Options {
    std::string out;
    chestxray::SynthChestOptions films;
  };
  const auto o = std::make_shared<Options>();
  const auto run = [o](Session& session) {
    if (o->films.dicom) require_dicom("data synth chest");
    o->films.seed = session.common().seed;
    StagedFolder folder("data synth chest", o->out);
    const chestxray::SynthChestCount count = chestxray::write_synth_chest(folder.path(), o->films);
    folder.commit();
    session.say(cat(count.films, " chest films of ", o->films.patients, " made-up patients, ", count.test,
                    " of them on the test list, in ", o->out, "; ", count.boxes, " findings"));
    session.metric("films", count.films);
    session.metric("findings", count.boxes);
    session.output("folder", o->out);
  };
  CLI::App* app = program.add(synth, "chest", "Made-up chest films with NIH's table, lists and boxes", run,
                              "gadolin data synth chest nih --patients 100");
  app->add_option("folder", o->out, "Folder to make")->required();
  app->add_option("--patients", o->films.patients, "Patients to make up; the last fifth is the test list")
      ->check(between(5, 100000))
      ->capture_default_str();
  app->add_option("--films", o->films.films, "Films of a patient, at most")
      ->check(between(1, 100))
      ->capture_default_str();
  app->add_option("--size", o->films.size, "Pixels a side")->check(between(16, 4096))->capture_default_str();
  app->add_option("--strength", o->films.strength, "How clearly signs are seen; 0: not at all")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--confound", o->films.confound,
                  "How surely a marker goes with Pneumothorax and a site with Effusion, but not on the test "
                  "list")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--lateral", o->films.lateral, "Share of lateral films")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_flag("--dicom", o->films.dicom, "DICOM files instead of PNG");
}

}  // namespace gadolin
