// Which samples a number stands on: for metrics.json, so that a published figure can be repeated.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"
#include "data/sets/dataset.h"
#include "data/sets/loader.h"

namespace gadolin {

// {"scored": {"sha256", "names"}, "left_out": [{"reason", "names"}]}. `set` is what was measured of `whole`,
// `bad` what could not be read. Names begin behind the folders that all samples of the whole set share, so
// that no path of a machine is among them; the hash is over names, truth and splits of what was measured, in
// the order of names, wherever the files lie. With boxes also "boxes", what became of the rows of the table.
Json scored_json(const Dataset& whole, const Dataset& set, const std::vector<BadSample>& bad);
// A message without the folder of the set in it.
std::string without_root(std::string text, const Dataset& set);

}  // namespace gadolin
