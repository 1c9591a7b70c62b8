// gadolin data check --anchors: which boxes have an anchor at the size of training.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"
#include "data/sets/boxes/detection_set.h"

namespace gadolin {

struct AnchorCheck {
  bool wanted = false;
  int input_size = 224;  // as gadolin train
  std::string augment = "standard", sheet;
  std::vector<std::string> net_options;
};

void add_anchor_options(CLI::App* app, AnchorCheck& o);
// Before any data are read: throws UsageError for options without --anchors, and for a sheet that cannot be
// written.
void check_anchor_options(const AnchorCheck& o);
// Says the table; writes the sheet. Throws UsageError for a set without boxes.
void tell_anchors(Session& session, const Dataset& set, const AnchorCheck& o);

}  // namespace gadolin
