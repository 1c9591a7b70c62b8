// Intervals of shares ("118 of 126 right") without resampling, and of shares by patients.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tasks/metrics.h"

namespace gadolin {

// A share with its interval, both NaN when it is a share of nothing.
struct Share {
  double value;       // NaN: 0 of 0
  Interval interval;  // of the value
};

// Wilson's score interval without correction (Wilson 1927; advised for small counts by Brown, Cai
// and DasGupta 2001): does not collapse at 0 or all. `successes` may be a sum of weights, 0 <= successes <=
// trials. NaN for no trials. Throws ValueError for other counts, or a confidence that is not between 0 and 1.
// The trials must be independent: with several pictures of a patient, resample patients instead
// (tasks/metrics.h, bootstrap).
Interval wilson_interval(double successes, double trials, double confidence = 0.95);

// The exact interval (Clopper and Pearson 1934): never covers less than `confidence`, and so is wider than
// Wilson's. With all of n right its lower end is ((1 - confidence) / 2)^(1 / n): 0.9711 for 126 of 126. NaN
// for no trials; throws as above.
Interval clopper_pearson_interval(std::int64_t successes, std::int64_t trials, double confidence = 0.95);

// The share of samples that are right (1 or 0; unknown_label is left out), with its interval by patients. The
// bootstrap over patients, unless all samples are right or all wrong: then every draw is the same, and the
// interval is Clopper and Pearson's with patients as trials, each of them right or wrong as a whole. Fewer
// patients than samples make it wider, as they should. patient [N] as right; throws ShapeError otherwise and
// DataError for another value of `right`.
Share share_by_patient(std::span<const std::string> patient, std::span<const std::uint8_t> right,
                       const BootstrapOptions& options = {});

}  // namespace gadolin
