#include "apps/weights/weights.h"

#include "apps/commands.h"

namespace gadolin {

void add_weights(Program& program) {
  add_import(program);
  add_export(program);
}

}  // namespace gadolin
