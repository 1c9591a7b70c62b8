// gadolin nodule: from radiology reports and films to a classifier of nodules by transfer learning.
#include "apps/commands.h"
#include "apps/nodule/commands.h"

namespace gadolin {

void add_nodule(Program& program) {
  CLI::App* group = program.group("nodule", "From radiology reports and films to a classifier of nodules");
  nodule::add_import(program, group);
  nodule::add_prepare(program, group);
  nodule::add_extract_features(program, group);
  nodule::add_train_model(program, group);
  nodule::add_test_model(program, group);
  add_serve_below(program, group);
}

}  // namespace gadolin
