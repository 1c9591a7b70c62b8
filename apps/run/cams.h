// Grad-CAM overlays of pictures: where in them a net sees a class.
#pragma once

#include <string>
#include <vector>

#include "apps/program/command.h"

namespace gadolin {

struct CamCommand {
  std::vector<std::string> files;
  std::string checkpoint, out, layer;
  std::string target;  // a class, or its number; empty: the likeliest one that counts in means over classes
  std::string target_option = "--class";  // what a command calls it
  double alpha = 0.6;
  bool npy = false, overwrite = false;
};

// NAME.cam.png of every file, in o.out. Throws UsageError for a class that the net does not have, DataError
// at the end when a file could not be done.
void write_cams(Session& session, const CamCommand& o);

}  // namespace gadolin
