// gadolin data synth mammo: made-up mammograms in the forms of CBIS-DDSM and INbreast.
#include <memory>

#include "apps/commands.h"
#include "apps/program/ranges.h"

namespace gadolin {

void add_synth_mammo(Program& program, CLI::App* synth) {
  struct Options {
    std::string out;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* app = program.add(
      synth, "mammo", "Made-up mammograms of two views with masses and calcifications", [o](Session&) {},
      "gadolin data synth mammo films --patients 40");
  app->add_option("folder", o->out, "Folder to make")->required();
}

}  // namespace gadolin
