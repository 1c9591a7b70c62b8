// The Function behind recurrent layers: all steps of one layer in its directions, from the part of its input
// (W_ih x + b, made by `linear` for all steps and directions at once). For others: layers/recurrent.h.
#pragma once

#include "layers/recurrent.h"
#include "tensor/function.h"

namespace gadolin::detail {

// Sequences as rows of matrices. A grid: all steps, [N, T], with a mask. Packed: only the steps that count;
// in states and lists the longest sequence comes first.
struct SequenceRows {
  std::int64_t n = 0, t = 0, rows = 0;
  bool packed = false;
  std::vector<std::int64_t> start = {}, count = {};  // packed: each sequence's first row and number of rows
  Tensor index = {};             // packed: of the rows, in the grid; undefined: all, in its order
  Tensor order = {}, back = {};  // packed with an index: sequence i is order[i] of the batch, and its inverse
  Tensor mask = {};              // of a grid, bool [N, T]; undefined: all count
};

// x [rows, D G H], hh [D, G H, P], bias [D, G H] of W_hh h (of a GRU only), hr [D, P, H] where there is a
// projection, h0, c0 -> parts. bias, h0 and c0 may be undefined.
struct RecurrentFunction {
  static constexpr auto name = "recurrent";
  SequenceRows rows;
  Cell cell = Cell::lstm;
  double forget_bias = 0;
  std::int64_t hidden = 0, state = 0, sides = 1;  // H, P, D
  bool keeps = true;                              // what backward needs
  Tensor hh_panels = {}, hr_panels = {};          // of their transposes, where they are at hand
  Saved hh = {}, hr = {};
  // A row for each row and direction: the state before the step, what the cell keeps (G or 4 H), c before the
  // step in fp32 or fp64, and the output before the projection. Without a tape scratch of N rows.
  mutable Tensor before = {}, gates = {}, cells = {}, inner = {};

  struct Parts {
    Tensor y, h, c;  // [rows, D P], and after the last step [D, N, P] and, of an LSTM, [D, N, H]
  };
  Parts parts(const Tensor& all) const;  // views: they lie one behind the other

  struct Inputs {
    const Tensor &x, &hh, &bias, &hr, &h0, &c0, &out;
  };
  template <class D> void run(D device, const Inputs& in) const;
  template <class D> Grads backward(D device, const Tensor& dout, Need need) const;

  Tensor allocate(const Tensor& x, const auto&...) const {
    const std::int64_t states = state + (cell == Cell::lstm ? hidden : 0);
    return empty({sides * (rows.rows * state + rows.n * states)}, x.dtype(), x.device());
  }
  void save(const auto&... in) {
    const Inputs of{in...};
    hh = of.hh, hr = of.hr;
  }
  void forward(auto device, const auto&... in) const { run(device, {in...}); }
};

// w [D, depth, columns] as the CPU's products read it: panels of neighbouring columns, 0 beyond the end, in
// fp32 or fp64.
Tensor pack_panels(const Tensor& w);
// Rows [first, first + rows), all of one direction, of y [D, N, columns] = a [D, N, depth] w. A row's result
// does not depend on the rows beside it.
void multiply_panels(const Tensor& panels, const Tensor& a, std::int64_t first, std::int64_t rows,
                     const Tensor& y);

}  // namespace gadolin::detail
