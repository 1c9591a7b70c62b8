// gadolin data synth bodypart: made-up films for the steps of this application.
#include <memory>

#include "apps/bodypart/synth_bodypart.h"
#include "apps/commands.h"
#include "apps/program/ranges.h"
#include "io/staged_folder.h"
#include "tensor/check.h"

namespace gadolin {

void add_synth_bodypart(Program& program, CLI::App* synth) {
  struct Options {
    std::string out;
    SynthBodypartOptions films;
  };
  const auto o = std::make_shared<Options>();
  const auto run = [o](Session& session) {
    o->films.seed = session.common().seed;
    StagedFolder folder("data synth bodypart", o->out);
    write_synth_bodypart(folder.path(), o->films);
    folder.commit();
    const int images = o->films.patients * o->films.images_per_patient;
    session.say(cat(images, " radiographs of ", o->films.patients, " made-up patients in ", o->out));
    session.metric("images", images);
    session.output("folder", o->out);
  };
  CLI::App* app = program.add(synth, "bodypart", "Made-up radiographs of seven body parts, as DICOM files",
                              run, "gadolin data synth bodypart films --patients 40");
  app->add_option("folder", o->out, "Folder to make")->required();
  app->add_option("--patients", o->films.patients, "Patients to make up")
      ->check(between(1, 10000))
      ->capture_default_str();
  app->add_option("--images-per-patient", o->films.images_per_patient, "Films of each")
      ->check(between(1, 10000))
      ->capture_default_str();
  app->add_option("--size", o->films.size, "Pixels a side")->check(between(32, 4096))->capture_default_str();
}

}  // namespace gadolin
