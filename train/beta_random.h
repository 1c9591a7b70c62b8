// Gamma and beta random numbers from a counter-based stream (tensor/random.h): the same on every machine
// whose `log`, `sqrt` and `cos` round alike, for any number of workers and after a resume.
#pragma once

#include "tensor/random.h"

namespace gadolin {

// Uniform in (0, 1), never at its ends, with 52 random bits: the middles of as many equal parts.
double open_uniform(RandomStream& random);

// The logarithm of a number from the gamma distribution with this shape and scale 1, shape > 0: Marsaglia and
// Tsang 2000; below shape 1 by their boost from shape + 1, in logarithms, so that a shape of 0.001
// does not underflow. Draws as many numbers as it needs. Throws ValueError for another shape.
double log_gamma_random(RandomStream& random, double shape);

// From Beta(a, b), in [0, 1], by two gamma numbers: x / (x + y). For tiny a and b it is nearly always 0 or 1.
// Throws ValueError unless a and b are above 0 and finite.
double beta_random(RandomStream& random, double a, double b);

}  // namespace gadolin
