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

// Appends dimension `d` from item `at` on; `indent` is the column in which its bracket stands.
void write(const Grid& grid, int edge, int d, std::size_t& at, std::size_t indent, std::string& out) {
  if (d == grid.shape.dim()) {
    out += grid.items[at++];
    return;
  }
  const bool innermost = d + 1 == grid.shape.dim();
  const std::string margin(indent + 1, ' ');
  const std::string gap =
      std::string(static_cast<std::size_t>(std::max(1, grid.shape.dim() - d - 1)), '\n') + margin;
  std::size_t column = indent + 1;
  const auto separate = [&](std::size_t width) {
    out += ',';
    column += width + 2;
    if (!innermost) {
      out += gap;
    } else if (column + width > line_width) {
      out += '\n' + margin;
      column = indent + 1;
    } else {
      out += ' ';
    }
  };
  out += '[';
  for (std::int64_t i = 0; i < grid.shape[d]; ++i) {
    const std::size_t width = innermost ? grid.items[at].size() : 0;
    if (i > 0) separate(width);
    if (i == edge && grid.cut[static_cast<std::size_t>(d)]) {
      out += "...";
      separate(innermost ? 3 : 0);
    }
    write(grid, edge, d + 1, at, indent + 1, out);
  }
  out += ']';
}

}  // namespace

std::string Tensor::str(int edge_items) const {
  if (!defined()) return "tensor(undefined)";
  const NoGrad guard;
  const int edge = std::max(edge_items, 1);
  std::string out = "tensor(";
  if (numel() == 0) {
    out += "[]";
  } else {
    const Grid grid = grid_of(detach(), edge);
    std::size_t at = 0;
    write(grid, edge, 0, at, out.size(), out);
  }
  return out + ", shape " + to_string(shape()) + ", " + name_of(dtype()) + ", " + name_of(device()) + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << t.str(); }

}  // namespace gadolin
