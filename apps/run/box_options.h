// What commands on data sets do with sets that have boxes.
#pragma once

#include <functional>
#include <memory>

#include "apps/program/command.h"
#include "data/sets/boxes/detection_set.h"

namespace gadolin {

// Options of sets with boxes; `skip_wrong` is --skip-wrong.
void add_box_options(CLI::App* app, DatasetOptions& options, bool& skip_wrong);

// What opening a set with these options met, as lines of the log; `f` opens it. With skip_wrong faulty rows
// are left out and named.
std::unique_ptr<Dataset> open_logged(const Session& session, DatasetOptions& options, bool skip_wrong,
                                     const std::function<std::unique_ptr<Dataset>()>& f,
                                     std::vector<std::string>* left_out = nullptr);

// Opens a set; with skip_wrong faulty rows are logged and left out. Of a set with boxes it says how many rows
// went in and how many boxes came out, and what was taken for granted.
std::unique_ptr<Dataset> open_told(Session& session, const std::string& data, DatasetOptions options,
                                   bool skip_wrong);
void tell_boxes(Session& session, const Dataset& set);      // nothing of other sets
void tell_box_stats(Session& session, const Dataset& set);  // the same

}  // namespace gadolin
