// gadolin mammography: from films to a detector of lesions and its FROC curve.
#include "apps/commands.h"
#include "apps/mammography/commands.h"

namespace gadolin {

void add_mammography(Program& program) {
  CLI::App* group =
      program.group("mammography", "From mammograms to a detector of lesions and its FROC curve");
  mammography::add_convert(program, group);
  mammography::add_train(program, group);
  mammography::add_evaluate(program, group);
  mammography::add_detect(program, group);
  mammography::add_sweep(program, group);
  mammography::add_ensemble(program, group);
  mammography::add_cases(program, group);
  mammography::add_debug(program, group);
}

}  // namespace gadolin
