// Commands of `gadolin mammography`, one function each; a file a command.
#pragma once

#include "apps/program/command.h"

namespace gadolin::mammography {

void add_convert(Program& program, CLI::App* group);
void add_train(Program& program, CLI::App* group);
void add_evaluate(Program& program, CLI::App* group);
void add_detect(Program& program, CLI::App* group);
void add_sweep(Program& program, CLI::App* group);
void add_ensemble(Program& program, CLI::App* group);
void add_cases(Program& program, CLI::App* group);
void add_debug(Program& program, CLI::App* group);

}  // namespace gadolin::mammography
