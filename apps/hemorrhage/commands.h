// Commands of `gadolin hemorrhage`, one function each; a file a command.
#pragma once

#include "apps/program/command.h"

namespace gadolin::hemorrhage {

void add_img_extract(Program& program, CLI::App* group);
void add_create_metadata(Program& program, CLI::App* group);
void add_process_labels(Program& program, CLI::App* group);
void add_create_tf_records(Program& program, CLI::App* group);

}  // namespace gadolin::hemorrhage
