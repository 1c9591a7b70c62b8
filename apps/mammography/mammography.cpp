// gadolin mammography: a detector of lesions in mammograms, step by step.
#include "apps/commands.h"
#include "apps/mammography/commands.h"

namespace gadolin {

void add_mammography(Program& program) {
  CLI::App* group = program.group("mammography", "A detector of lesions in mammograms, step by step");
  (void)group;
}

}  // namespace gadolin
