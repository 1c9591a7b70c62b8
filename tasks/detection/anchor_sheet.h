// Boxes and the anchors that fit them best, as a sheet of pictures.
#pragma once

#include <string>
#include <vector>

#include "tasks/contact_sheet.h"
#include "tasks/detection/anchor_recall.h"

namespace gadolin {

// Of `boxes` (anchor_recall) the `each` that fit an anchor best, as many around the middle, and as many that
// fit worst, those without an anchor first, all from different places of the order. A tile shows the box in
// its picture: its line is whole where it has an anchor and broken where it has none; the anchor is thin.
// Pictures that cannot be read are passed over.
ContactSheet anchor_sheet(const DetectionSet& set, const std::vector<SeenBox>& boxes, std::size_t each,
                          const std::string& title);

}  // namespace gadolin
