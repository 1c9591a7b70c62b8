// Which step comes after which, from what they read and make.
#pragma once

#include <string>
#include <vector>

#include "apps/pipeline/steps.h"

namespace gadolin::pipeline {

// read_steps's errors of paths and order; `place` stands in front of them.
std::vector<Step> in_order(std::vector<Step> steps, const std::string& place);

}  // namespace gadolin::pipeline
