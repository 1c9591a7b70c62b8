// Commands of `gadolin chestxray`, one function each; a file a command.
#pragma once

#include "apps/program/command.h"

namespace gadolin::chestxray {

void add_prepare(Program& program, CLI::App* group);
void add_train(Program& program, CLI::App* group);
void add_test(Program& program, CLI::App* group);
void add_finetune(Program& program, CLI::App* group);
void add_predict(Program& program, CLI::App* group);
void add_cam(Program& program, CLI::App* group);

}  // namespace gadolin::chestxray
