// gadolin data synth mammo: made-up mammograms in the forms of CBIS-DDSM and INbreast.
#include <memory>

#include "apps/commands.h"
#include "apps/mammography/synth_mammo.h"
#include "apps/program/ranges.h"
#include "data/dicom/dictionary.h"
#include "io/staged_folder.h"
#include "tensor/check.h"

namespace gadolin {

void add_synth_mammo(Program& program, CLI::App* synth) {
  struct Options {
    std::string out, layout = "inbreast";
    std::vector<std::string> faults;
    mammography::SynthMammoOptions films;
  };
  const auto o = std::make_shared<Options>();
  const auto run = [o](Session& session) {
    require_dicom("data synth mammo");
    o->films.seed = session.common().seed;
    o->films.faults = {o->faults.begin(), o->faults.end()};
    StagedFolder folder("data synth mammo", o->out);
    const auto write =
        o->layout == "inbreast" ? mammography::write_synth_inbreast : mammography::write_synth_cbis;
    const mammography::SynthCount count = write(folder.path(), o->films);
    folder.commit();
    session.say(cat(count.films, " films of ", o->films.patients, " made-up patients, ", count.abnormal,
                    " of them with lesions, in ", o->out, " as in ",
                    o->layout == "inbreast" ? "INbreast" : "CBIS-DDSM", "; ", count.lesions, " lesions"));
    session.metric("films", count.films);
    session.metric("lesions", count.lesions);
    session.output("folder", o->out);
  };
  CLI::App* app = program.add(synth, "mammo",
                              "Made-up mammograms of two views, with masses and clusters of calcifications",
                              run, "gadolin data synth mammo films --patients 40");
  app->add_option("folder", o->out, "Folder to make")->required();
  app->add_option(
         "--layout", o->layout,
         "inbreast: all films, contours and a sheet; cbis-ddsm: films with lesions, masks and tables")
      ->check(one_of({"inbreast", "cbis-ddsm"}))
      ->capture_default_str();
  app->add_option("--patients", o->films.patients, "Patients to make up, of four films each")
      ->check(between(1, 10000))
      ->capture_default_str();
  app->add_option("--size", o->films.size, "Height of a film in pixels; its width is 13/16 of it")
      ->check(between(128, 8192))
      ->capture_default_str();
  app->add_option("--abnormal", o->films.abnormal, "Share of the patients with lesions")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--faults", o->faults,
                  "What is wrong with the real archives: swapped, mask-size, aspect, unmatched, uids, side")
      ->check(one_of(mammography::synth_faults()))
      ->delimiter(',');
}

}  // namespace gadolin
