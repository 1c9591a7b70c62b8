// What a test may ask of the device made of software beyond CUDA.
#pragma once

#include <string>

namespace software_cuda {

// The first report since the last call, "" without one. The device works again afterwards.
std::string take_report();

}  // namespace software_cuda
