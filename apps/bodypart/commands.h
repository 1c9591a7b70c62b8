// One function a command of `gadolin bodypart`, application A1: from a folder of DICOM radiographs to a classifier of body parts.
#pragma once

#include "apps/program/command.h"

namespace gadolin::bodypart {

void add_convert_data(Program& program, CLI::App* group);

}  // namespace gadolin::bodypart
