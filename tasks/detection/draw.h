// Truth and detections on a picture, so that people see what numbers say. Truth has a broken line and its
// name below, light on black; a detection a whole line and its name with its score above, on a plate of its
// colour: they are told apart without colours.
#pragma once

#include <string>
#include <vector>

#include "tasks/detection/detected_pictures.h"
#include "tasks/draw_boxes.h"

namespace gadolin {

// What is drawn.
struct DrawOptions {
  double score = 0;   // detections below it are left out
  bool names = true;  // classes and scores as text
  int most = 100;     // detections, best scores first
};

// Of boxes in pixels of the picture's file. `classes`: names by number, shortened to 24 letters; a number
// without a name is "class 7". Crowds are named "mass (crowd)". For draw_boxes and ContactSheet;
// draw_boxes(image, drawn_boxes(...)) is the drawn picture, and write_png (data/image/image.h) its file.
std::vector<DrawnBox> drawn_boxes(std::span<const MarkedBox> truth, std::span<const Detection> found,
                                  const std::vector<std::string>& classes, const DrawOptions& options = {});

// "broken line: truth; whole line: found": what a reader of such pictures must know.
extern const char* const drawn_legend;

}  // namespace gadolin
