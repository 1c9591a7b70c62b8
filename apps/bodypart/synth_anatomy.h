// What rays meet on their way through made-up body parts: soft tissue, air and bones as ellipsoids and tubes.
#pragma once

#include <string>
#include <vector>

#include "tensor/random.h"

namespace gadolin {

// Values of BodyPartExamined, in alphabetical order.
const std::vector<std::string>& synth_body_parts();

// Attenuation along the ray of each pixel, size x size, row by row; 0 where there is nothing but air. `part`
// numbers synth_body_parts(). What belongs to the patient (build, density of the bones) is drawn from
// `patient`, what belongs to the picture (place, angle, scale, side, view, gas) from `film`.
std::vector<float> draw_body_part(int part, int size, RandomStream& patient, RandomStream& film);

}  // namespace gadolin
