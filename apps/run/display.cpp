// --window as text.
#include "apps/run/display.h"

#include <cstdio>

#include "tensor/check.h"

namespace gadolin {

DicomDisplayOptions display_options(const std::string& window, int bits) {
  DicomDisplayOptions d;
  d.bits = bits;
  if (window == "auto") return d;
  if (window == "file")
    d.mode = DicomDisplay::window;
  else if (window == "percentile")
    d.mode = DicomDisplay::percentile;
  else if (window == "full")
    d.mode = DicomDisplay::full;
  else {
    DicomWindow w;
    char rest = 0;
    require<UsageError>(
        std::sscanf(window.c_str(), "%lf/%lf%c", &w.center, &w.width, &rest) == 2 && w.width > 0, "--window ",
        window, ": auto, file, percentile, full or center/width is needed, like 40/80");
    d.mode = DicomDisplay::window;
    d.window = w;
  }
  return d;
}

}  // namespace gadolin
