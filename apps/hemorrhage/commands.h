// Commands of `gadolin hemorrhage`, one function each; a file a command.
#pragma once

#include "apps/program/command.h"

namespace gadolin::hemorrhage {

void add_img_extract(Program& program, CLI::App* group);
void add_create_metadata(Program& program, CLI::App* group);
void add_process_labels(Program& program, CLI::App* group);
void add_create_tf_records(Program& program, CLI::App* group);
void add_train(Program& program, CLI::App* group);
void add_extract_features(Program& program, CLI::App* group);
void add_train_lstm(Program& program, CLI::App* group);
void add_predict(Program& program, CLI::App* group);

}  // namespace gadolin::hemorrhage
