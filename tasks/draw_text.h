// Words on pictures, in a small font of our own: letters of at most 5 x 8 dots, each dot a square of pixels.
#pragma once

#include <string>
#include <string_view>

#include "data/image/image.h"
#include "tasks/colours.h"

namespace gadolin {

// In pixels, with a dot of `dot` x `dot` pixels. Letters have widths of their own, a dot between them.
int text_width(std::string_view text, int dot = 1);
// Of a line, in pixels; `dot`: pixels a dot of a letter.
constexpr int text_height(int dot = 1) { return 8 * dot; }

// The text, or its beginning with two dots, so that it is not wider than `width`; empty where nothing fits.
std::string shortened(std::string_view text, int width, int dot = 1);

// `text` (UTF-8) with its upper left corner at (x, y), as far as it lies inside the 8-bit colour picture.
// What is not ASCII is a box a letter.
void draw_text(Image& picture, int x, int y, std::string_view text, const Colour& colour, int dot = 1);

// A filled rectangle, as far as it lies inside the 8-bit colour picture.
void fill_box(Image& picture, const Box& box, const Colour& colour);

}  // namespace gadolin
