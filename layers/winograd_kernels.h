// The inner loops of Winograd's convolution, compiled once for each width of vectors; not for others
// (layers/winograd.h is the way in).
#pragma once

#include <cstdint>

namespace gadolin::detail {

// A bfloat16 as its bits, the upper half of a float's.
using Bf16Bits = std::uint16_t;

// An image of pixels whose channels lie together.
template <class S> struct PixelView {
  S* data;
  std::int64_t h, w, channels;
  std::int64_t image, row, pixel;  // elements from one to the next
  S* at(std::int64_t n, std::int64_t y, std::int64_t x) const {
    return data + n * image + y * row + x * pixel;
  }
};

// Tiles of a batch, in row-major order within each image. Pixel (r, s) of tile (i, j) is pixel
// (i tile + r - top, j tile + s - left) of its image.
struct TileGrid {
  std::int64_t rows, cols;
  int top, left;
};

// Where transformed tiles lie: point t, row i, channel c at
// t * point + (c / width) * panel + i * width + c % width.
struct TileRows {
  std::int64_t point, panel, width;
};

template <class S> struct FilterView {
  const S* data;
  std::int64_t out, in;  // channels
  std::int64_t step_out, step_in, step_r, step_s;
  const S* scale = nullptr;  // of each filter, unless null
};

// What is done to a pixel of the result.
template <class S, class E> struct TileEnd {
  const S* bias;                  // or null
  const PixelView<const E>* add;  // or null; may be the result itself
  bool relu;
};

// For arithmetic in S of images whose elements are E: the same, or Bf16Bits of float.
template <class S, class E> struct WinogradKernels {
  int tile;   // results a side
  int panel;  // filters beside one another
  int rows;   // of a product at a time; buffers of tiles hold a multiple of it
  // u [points][in][panel], `point` elements from point to point: transforms of one panel of filters. Filters
  // that are not there are 0.
  void (*filters)(const FilterView<S>& w, std::int64_t panel, std::int64_t point, S* u);
  // Transforms of `count` tiles from `first`: of (tile + 2)^2 pixels, or, to `spread` a gradient, of tile^2.
  // What lies outside the image or above its channels is 0. `zeros`: as many as there are channels.
  void (*gather)(const PixelView<const E>& x, const TileGrid& grid, std::int64_t first, std::int64_t count,
                 bool spread, const E* zeros, const TileRows& to, S* v);
  // c [rows][panel] = (adds: +=) a b, a(i, k) at i row + k step, b [depth][panel].
  void (*product)(const S* a, std::int64_t row, std::int64_t step, const S* b, S* c, std::int64_t rows,
                  std::int64_t depth, bool adds);
  // One panel of results, m [points][rows][panel] with `point` elements from point to point.
  void (*scatter)(const S* m, std::int64_t point, const TileGrid& grid, std::int64_t first,
                  std::int64_t count, std::int64_t panel, const TileEnd<S, E>& end, const PixelView<E>& y);
  // The gradient of one panel of filters from its sums u, laid out as in `filters`.
  void (*filter_gradient)(const S* u, std::int64_t point, const FilterView<S>& shape, std::int64_t panel,
                          S* dw);
};

// tile: 2 or 4. Only for processors that have such vectors. For float, double, and float of Bf16Bits.
template <class S, class E> const WinogradKernels<S, E>* winograd_avx2(int tile);
template <class S, class E> const WinogradKernels<S, E>* winograd_avx512(int tile);

}  // namespace gadolin::detail
