// One function a command of `gadolin mammography`, application A3: a detector of lesions on mammograms.
#pragma once

#include "apps/program/command.h"

namespace gadolin::mammography {

void add_convert(Program& program, CLI::App* group);

}  // namespace gadolin::mammography
