// The four commands of this folder, each in a file of its own.
#pragma once

#include "apps/program/command.h"

namespace gadolin {

void add_train_command(Program& program);
void add_eval_command(Program& program);
void add_predict_command(Program& program);
void add_lr_find_command(Program& program);

}  // namespace gadolin
