// Maps between the pixels of two pictures: where a place of one picture lies in the other.
//
// Coordinates are continuous: x runs from 0 at the left edge of a picture to its width at the right edge, y
// from 0 at the top to the height; pixel i covers [i, i + 1), its centre is i + 0.5.
#pragma once

namespace gadolin {

// A place in a picture, in pixels: x to the right, y down.
struct Point {
  double x = 0, y = 0;  // (0, 0) is the outer corner of the first pixel
};

// (x, y) to (xx x + xy y + x0, yx x + yy y + y0); the identity by default.
struct Affine {
  double xx = 1, xy = 0, x0 = 0;  // first row of the matrix
  double yx = 0, yy = 1, y0 = 0;  // second row

  static Affine shift(double x, double y) { return {1, 0, x, 0, 1, y}; }  // moves by x and y
  static Affine scale(double x, double y) { return {x, 0, 0, 0, y, 0}; }  // stretches by x and y

  // Where the map takes p.
  Point operator()(Point p) const { return {xx * p.x + xy * p.y + x0, yx * p.x + yy * p.y + y0}; }
  // First this map, then `next`.
  Affine then(const Affine& next) const;
  // The way back. Throws ValueError for a map that flattens the picture.
  Affine inverse() const;
  double determinant() const { return xx * yy - xy * yx; }  // factor on areas; negative for a mirror image
  bool operator==(const Affine&) const = default;
};

// A rectangle by two of its corners, in continuous coordinates; x1 <= x2 and y1 <= y2.
struct Corners {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;  // left, top, right, bottom
  bool operator==(const Corners&) const = default;
};

// What lies inside a rectangle: all of it, or the ellipse that touches its four sides.
enum class Outlined { corners, ellipse };

// A rectangle after a map: the smallest upright rectangle around what it outlines, cut to a picture of
// width x height.
struct MovedBox {
  Corners box;  // after the map and the cut
  // Share of the upright rectangle's area that the cut left, 0 to 1. Of a rectangle without area: of its
  // length, and 1 or 0 for a point inside or outside.
  double inside = 0;
  // How many times larger than the moved outline (a parallelogram, or an ellipse counted as the one around
  // it) the upright rectangle is before the cut; 1 without a turn.
  double growth = 1;
};
// The rectangle after the map.
MovedBox moved(const Corners& box, const Affine& map, double width, double height,
               Outlined outlined = Outlined::corners);

}  // namespace gadolin
