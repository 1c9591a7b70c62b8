// What the commands of this group do with sets that have boxes.
#pragma once

#include <memory>

#include "apps/program/command.h"
#include "data/sets/boxes/detection_set.h"

namespace gadolin {

// Options of sets with boxes; `skip_wrong` is --skip-wrong.
void add_box_options(CLI::App* app, DatasetOptions& options, bool& skip_wrong);

// Opens a set; with skip_wrong faulty rows are logged and left out. Of a set with boxes it says how many rows
// went in and how many boxes came out, and what was taken for granted.
std::unique_ptr<Dataset> open_told(Session& session, const std::string& data, DatasetOptions options,
                                   bool skip_wrong);
void tell_boxes(Session& session, const Dataset& set);      // nothing of other sets
void tell_box_stats(Session& session, const Dataset& set);  // the same

}  // namespace gadolin
