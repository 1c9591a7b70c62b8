// Commands of `gadolin chestxray`, one function each; a file a command.
#pragma once

#include "apps/program/command.h"

namespace gadolin::chestxray {

void add_train(Program& program, CLI::App* group);

}  // namespace gadolin::chestxray
