// The steps of --random-transform.
#pragma once

#include <string>

namespace gadolin::mammography {

// Keras RetinaNet's, with colours where there are any: ",random-transform:...,contrast:..."
std::string random_transform_steps(int channels);

}  // namespace gadolin::mammography
