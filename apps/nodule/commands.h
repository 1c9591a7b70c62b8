// Commands of `gadolin nodule`, one function each; a file a command.
#pragma once

#include "apps/program/command.h"

namespace gadolin::nodule {

void add_import(Program& program, CLI::App* group);
void add_prepare(Program& program, CLI::App* group);
void add_extract_features(Program& program, CLI::App* group);
void add_train_model(Program& program, CLI::App* group);
void add_test_model(Program& program, CLI::App* group);

}  // namespace gadolin::nodule
