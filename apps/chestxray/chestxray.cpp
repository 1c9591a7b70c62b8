// gadolin chestxray: from the NIH's chest X-rays to a net that names their findings.
#include "apps/chestxray/commands.h"
#include "apps/commands.h"

namespace gadolin {

void add_chestxray(Program& program) {
  CLI::App* group =
      program.group("chestxray", "From the NIH's chest X-rays to a net that names their findings");
  chestxray::add_train(program, group);
}

}  // namespace gadolin
