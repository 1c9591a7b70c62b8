// Colours with a meaning: apart for the eye, and for people who do not tell red from green.
#pragma once

namespace gadolin {

// A colour of sRGB.
struct Colour {
  double red, green, blue;  // 0 to 255
};                          // sRGB, 0 to 1

// Of a value in [0, 1]: from violet over red and orange to pale yellow, lightness rising evenly in OKLab.
Colour heat_colour(double value);
// Of a class: the first seven are those of Okabe and Ito ("Color universal design", 2008), the most visible
// on dark films first; the others are bright, and far from those of the classes before them.
Colour class_colour(int number);
// What is well and what is not, for a mark that also differs in its form: bluish green and vermilion.
extern const Colour good_colour, bad_colour;
// Black or white: which of them is read on this colour.
Colour ink_on(const Colour& colour);

}  // namespace gadolin
