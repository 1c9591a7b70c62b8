// The four questions of assignment 1.
#include "course/1/cases.h"

namespace gadolin::course {

std::vector<Question> strides_questions(Draw& draw, bool handout) {
  const auto drawn = [&](std::int64_t fixed, std::int64_t low, std::int64_t high) {
    const std::int64_t x = draw.integer(low, high);
    return handout ? fixed : x;
  };
  const auto number = [](std::int64_t x) { return static_cast<double>(x); };
  std::vector<Question> out;

  const Sizes shape{drawn(4, 3, 6), drawn(3, 3, 5), drawn(5, 4, 8), drawn(7, 5, 9)};
  const Sizes at{2, 1, 3, 4}, s = row_major(shape);
  std::int64_t offset = 0, reversed = 0, step = 1;
  for (std::size_t d = 0; d < 4; ++d) offset += at[d] * s[d];
  for (std::size_t d = 0; d < 4; ++d) {
    reversed += at[d] * step;
    step *= shape[d];
  }
  out.push_back(
      {"q1",
       "At which offset lies element [2, 1, 3, 4] of a row-major tensor of shape " + to_string(Value(shape)) +
           "?",
       {number(offset)},
       true,
       {{{number(reversed)}, "Your strides grow from the first dimension; the last one has stride 1."}}});

  const std::int64_t n = 8, c = drawn(16, 8, 24), h = drawn(14, 8, 20), w = drawn(14, 8, 20);
  out.push_back(
      {"q2",
       "A channels-last tensor of shape " + to_string(Value(Sizes{n, c, h, w})) +
           ": its four strides, and the offset of [3, 5, 2, 7] (five numbers).",
       {number(h * w * c), 1, number(w * c), number(c), number(3 * h * w * c + 5 + 2 * w * c + 7 * c)},
       true,
       {{{number(c * h * w), number(h * w), number(w), 1, number(3 * c * h * w + 5 * h * w + 2 * w + 7)},
         "These are the strides of row-major order; in channels-last C has stride 1."}}});

  const std::int64_t rows = drawn(6, 5, 9), step3 = 3, cols = 8;
  const std::int64_t left = (cols - 1 + step3 - 1) / step3;
  out.push_back({"q3",
                 "A row-major tensor of shape " + to_string(Value(Sizes{rows, cols})) +
                     " is sliced by slice(1, 1, 8, 3): its shape, its strides, its offset, the offset of its "
                     "last element, "
                     "and 1 or 0: can it be reshaped to [" +
                     std::to_string(rows * left) + "] as a view? (seven numbers)",
                 {number(rows), number(left), number(cols), number(step3), 1,
                  number(1 + (rows - 1) * cols + (left - 1) * step3), 0},
                 true,
                 {{{number(rows), number((cols - 1) / step3), number(cols), number(step3), 1,
                    number(1 + (rows - 1) * cols + ((cols - 1) / step3 - 1) * step3), 0},
                   "A slice has ceil((end - begin) / step) elements."}}});

  const std::int64_t side = 128 * drawn(4, 2, 8);
  const std::int64_t naive = 2 * side * side * side;
  const std::int64_t tiled = side * side * ((side + 127) / 128) + side * side * ((side + 63) / 64);
  out.push_back({"q4",
                 "How often are operands read in a product of two matrices " + std::to_string(side) + " x " +
                     std::to_string(side) +
                     ": by three loops, and with packed tiles of 64 x 128? (two numbers)",
                 {number(naive), number(tiled)},
                 true,
                 {{{number(naive / 2), number(tiled)}, "Each of the mnk products reads two operands."}}});
  return out;
}

}  // namespace gadolin::course
