// Colours with a meaning, evenly spaced for the eye.
#pragma once

namespace gadolin {

struct Colour {
  double red, green, blue;
};  // sRGB, 0 to 1

// Of a value in [0, 1]: from violet over red and orange to pale yellow, lightness rising evenly in OKLab.
Colour heat_colour(double value);
// Of a class: bright, and far from those of the classes before it.
Colour class_colour(int number);

}  // namespace gadolin
