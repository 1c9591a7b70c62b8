// Tensor::str: values in nested brackets like NumPy's, aligned, with the middle of large tensors left out,
// then shape, dtype and device. Only what is shown is copied from the device.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

constexpr std::int64_t whole = 1000;     // elements up to which nothing is left out
constexpr std::size_t line_width = 100;  // characters

// The visible elements as texts, in row-major order of their own shape.
struct Grid {
  Shape shape;            // of what is shown
  std::vector<bool> cut;  // whether the middle of the dimension is left out
  std::vector<std::string> items;
};

// How floating numbers are written: all of a tensor the same way.
struct NumberFormat {
  bool whole_numbers = true, scientific = false;

  explicit NumberFormat(const std::vector<double>& x) {
    double smallest = INFINITY, largest = 0;
    for (double v : x) {
      if (!std::isfinite(v)) continue;
      whole_numbers = whole_numbers && v == std::rint(v);
      largest = std::max(largest, std::abs(v));
      if (v != 0) smallest = std::min(smallest, std::abs(v));
    }
    scientific = largest >= 1e8 || (!whole_numbers && (smallest < 1e-4 || largest / smallest > 1e3));
  }
  std::string operator()(double v) const {
    if (std::isnan(v)) return "nan";
    if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
    char text[40];
    std::snprintf(text, sizeof text, scientific ? "%.4e" : whole_numbers ? "%.0f." : "%.4f", v);
    return text;
  }
};

// Cuts the middle out of each dimension longer than two edges.
Tensor visible(const Tensor& x, int edge, std::vector<bool>& cut) {
  Tensor shown = x;
  for (int d = 0; d < x.dim(); ++d) {
    const bool shortens = x.numel() > whole && x.size(d) > 2 * edge;
    cut.push_back(shortens);
    if (shortens) shown = concat({shown.slice(d, 0, edge), shown.slice(d, x.size(d) - edge, x.size(d))}, d);
  }
  return shown;
}

Grid grid_of(const Tensor& x, int edge) {
  Grid grid;
  const Tensor shown = visible(x, edge, grid.cut).to(cpu);
  grid.shape = shown.shape();
  if (x.dtype() == DType::boolean) {
    for (std::uint8_t v : shown.to_vector<std::uint8_t>()) grid.items.push_back(v ? "true" : "false");
  } else if (!is_floating(x.dtype())) {
    for (std::int64_t v : shown.to_vector<std::int64_t>()) grid.items.push_back(std::to_string(v));
  } else {
    const std::vector<double> numbers = shown.to_vector<double>();
    const NumberFormat format(numbers);
    for (double v : numbers) grid.items.push_back(format(v));
  }
  std::size_t width = 0;
  for (const std::string& item : grid.items) width = std::max(width, item.size());
  for (std::string& item : grid.items) item.insert(0, width - item.size(), ' ');
  return grid;
}

// Writes dimension within dimension.
struct Writer {
  const Grid& grid;
  int edge;
  std::string out = "tensor(";
  std::size_t at = 0;  // the next item

  void dimension(int d) {
    const int inside = grid.shape.dim() - d - 1;  // dimensions within this one
    if (inside < 0) {
      out += grid.items[at++];
      return;
    }
    const std::string next_line = std::string(static_cast<std::size_t>(std::max(1, inside)), '\n') +
                                  std::string(static_cast<std::size_t>(d) + 8, ' ');
    const auto separate = [&] {
      const std::size_t column = out.size() - (out.rfind('\n') + 1) + 2;
      out += inside == 0 && column + grid.items[at].size() <= line_width ? ", " : "," + next_line;
    };
    out += '[';
    for (std::int64_t i = 0; i < grid.shape[d]; ++i) {
      if (i > 0) separate();
      if (i == edge && grid.cut[static_cast<std::size_t>(d)]) {
        out += "...";
        separate();
      }
      dimension(d + 1);
    }
    out += ']';
  }
};

}  // namespace

std::string Tensor::str(int edge_items) const {
  if (!defined()) return "tensor(undefined)";
  const NoGrad guard;
  const int edge = std::max(edge_items, 1);
  std::string values = "tensor([]";
  if (numel() > 0) {
    const Grid grid = grid_of(detach(), edge);
    Writer writer{grid, edge};
    writer.dimension(0);
    values = writer.out;
  }
  return values + ", shape " + to_string(shape()) + ", " + name_of(dtype()) + ", " + name_of(device()) + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << t.str(); }

}  // namespace gadolin
