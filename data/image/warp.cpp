// Crops, mirrors and affine maps.
#include "data/image/warp.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "tensor/check.h"

namespace gadolin {
namespace {

std::size_t index(int i) { return static_cast<std::size_t>(i); }

template <class T> T sample_of(double fraction) {
  return static_cast<T>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(T(~T{0})) + 0.5);
}

template <class T> void crop_rows(const Image& in, Image& out, Box box, double fill) {
  const int x0 = std::clamp(box.x, 0, in.width), x1 = std::clamp(box.x + box.width, 0, in.width);
  for (int y = 0; y < box.height; ++y) {
    T* to = out.row<T>(y);
    const int from = box.y + y;
    const bool inside = from >= 0 && from < in.height && x1 > x0;
    if (!inside || x1 - x0 < box.width) std::fill_n(to, out.row_samples(), sample_of<T>(fill));
    if (!inside) continue;
    const auto c = index(in.channels);
    std::memcpy(to + index(x0 - box.x) * c, in.row<T>(from) + index(x0) * c, index(x1 - x0) * c * sizeof(T));
  }
}

template <class T, int channels> void mirror_rows(const Image& in, Image& out) {
  for (int y = 0; y < in.height; ++y) {
    const T* from = in.row<T>(y) + index(in.width) * channels;
    T* to = out.row<T>(y);
    for (int x = 0; x < in.width; ++x, to += channels) {
      from -= channels;
      for (int c = 0; c < channels; ++c) to[c] = from[c];
    }
  }
}

// fill: a share of white, or NaN for the nearest pixel of the edge.
template <class T> void warp_rows(const Image& in, Image& out, const Affine& m, double fill) {
  const bool edges = std::isnan(fill);
  const T outside = edges ? T(0) : sample_of<T>(fill);
  const int channels = in.channels;
  for (int y = 0; y < out.height; ++y) {
    T* to = out.row<T>(y);
    for (int x = 0; x < out.width; ++x, to += channels) {
      double u = m.xx * (x + 0.5) + m.xy * (y + 0.5) + m.x0, v = m.yx * (x + 0.5) + m.yy * (y + 0.5) + m.y0;
      if (edges) {
        u = std::clamp(u, 0.0, in.width - 1e-9);
        v = std::clamp(v, 0.0, in.height - 1e-9);
      }
      if (!(u >= 0 && u < in.width && v >= 0 && v < in.height)) {
        std::fill_n(to, channels, outside);
        continue;
      }
      const double fx = std::floor(u - 0.5), fy = std::floor(v - 0.5);
      const double dx = u - 0.5 - fx, dy = v - 0.5 - fy;
      const int x0 = std::max(static_cast<int>(fx), 0), x1 = std::min(static_cast<int>(fx) + 1, in.width - 1);
      const int y0 = std::max(static_cast<int>(fy), 0),
                y1 = std::min(static_cast<int>(fy) + 1, in.height - 1);
      const T *top = in.row<T>(y0), *bottom = in.row<T>(y1);
      for (int c = 0; c < channels; ++c) {
        const int a = x0 * channels + c, b = x1 * channels + c;
        const double up = top[a] + (double(top[b]) - top[a]) * dx;
        const double down = bottom[a] + (double(bottom[b]) - bottom[a]) * dx;
        to[c] = static_cast<T>(up + (down - up) * dy + 0.5);
      }
    }
  }
}

double radians(double degrees) { return degrees * std::numbers::pi / 180; }

}  // namespace

Image crop(const Image& image, Box box, double fill) {
  require<ValueError>(box.width > 0 && box.height > 0 && box.width <= 65536 && box.height <= 65536,
                      "crop: to ", box.width, " x ", box.height, ", sides are 1 to 65536");
  if (box == Box{0, 0, image.width, image.height}) return image;
  Image out(box.width, box.height, image.channels, image.bits);
  if (image.bits == 8)
    crop_rows<std::uint8_t>(image, out, box, fill);
  else
    crop_rows<std::uint16_t>(image, out, box, fill);
  return out;
}

Image horizontal_flip(const Image& image) {
  Image out(image.width, image.height, image.channels, image.bits);
  if (image.bits == 8) {
    if (image.channels == 1)
      mirror_rows<std::uint8_t, 1>(image, out);
    else
      mirror_rows<std::uint8_t, 3>(image, out);
  } else {
    if (image.channels == 1)
      mirror_rows<std::uint16_t, 1>(image, out);
    else
      mirror_rows<std::uint16_t, 3>(image, out);
  }
  return out;
}

Image vertical_flip(const Image& image) {
  Image out(image.width, image.height, image.channels, image.bits);
  const std::size_t stride = image.row_samples() * index(image.bits / 8);
  for (int y = 0; y < image.height; ++y) {
    std::memcpy(out.pixels.data() + index(y) * stride,
                image.pixels.data() + index(image.height - 1 - y) * stride, stride);
  }
  return out;
}

Affine affine_map(int width, int height, const AffineOptions& o) {
  require<ValueError>(o.scale > 0, "affine: scale = ", o.scale, " is not above 0");
  const double angle = radians(o.angle), sx = radians(o.shear_x), sy = radians(o.shear_y);
  const double a = std::cos(angle - sy) / std::cos(sy);
  const double b = -std::cos(angle - sy) * std::tan(sx) / std::cos(sy) - std::sin(angle);
  const double c = std::sin(angle - sy) / std::cos(sy);
  const double d = -std::sin(angle - sy) * std::tan(sx) / std::cos(sy) + std::cos(angle);
  // [a b; c d] has determinant 1; the inverse takes output to input.
  Affine m{d / o.scale, -b / o.scale, 0, -c / o.scale, a / o.scale, 0};
  const double cx = width * 0.5, cy = height * 0.5;
  m.x0 = m.xx * (-cx - o.shift_x) + m.xy * (-cy - o.shift_y) + cx;
  m.y0 = m.yx * (-cx - o.shift_x) + m.yy * (-cy - o.shift_y) + cy;
  return m;
}

Image warp(const Image& image, const Affine& back, double fill) {
  require<ShapeError>(image.numel() > 0, "warp: the image has no pixels");
  Image out(image.width, image.height, image.channels, image.bits);
  if (image.bits == 8)
    warp_rows<std::uint8_t>(image, out, back, fill);
  else
    warp_rows<std::uint16_t>(image, out, back, fill);
  return out;
}

Image warp_over_edges(const Image& image, const Affine& back) {
  return warp(image, back, std::numeric_limits<double>::quiet_NaN());
}

Image rotate(const Image& image, double degrees, double fill) {
  AffineOptions turn;
  turn.angle = -degrees;
  return warp(image, affine_map(image.width, image.height, turn), fill);
}

}  // namespace gadolin
