#include "tests/apps/onnx_detect_ops.h"

#include <algorithm>
#include <numeric>

#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin::test {
namespace {

using Numbers = std::vector<std::int64_t>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
Numbers whole(const Tensor& t) { return t.contiguous().to_vector<std::int64_t>(); }
std::vector<float> real(const Tensor& t) { return t.contiguous().to_vector<float>(); }

// The largest of each row [N, P]; of equal ones the first.
std::vector<Tensor> top_k(const Tensor& x, std::int64_t count) {
  const std::vector<float> values = real(x);
  std::vector<float> best;
  Numbers places;
  for (std::int64_t n = 0; n < x.size(0); ++n) {
    Numbers order(at(x.size(1)));
    std::iota(order.begin(), order.end(), 0);
    const float* row = values.data() + n * x.size(1);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return row[a] > row[b]; });
    for (std::int64_t k = 0; k < count; ++k) {
      best.push_back(row[order.at(at(k))]);
      places.push_back(order[at(k)]);
    }
  }
  return {from_vector(best, {x.size(0), count}), from_vector(places, {x.size(0), count})};
}

// Slices of x at index tuples, the last dimension of `index`; with batch_dims 1 within each x[n].
Tensor gather_nd(const Tensor& x, const Tensor& index, std::int64_t batch_dims) {
  const int tuple = static_cast<int>(index.size(index.dim() - 1)), lead = static_cast<int>(batch_dims);
  Shape shape;
  for (int d = 0; d + 1 < index.dim(); ++d) shape.push_back(index.size(d));
  std::int64_t slice = 1;
  for (int d = lead + tuple; d < x.dim(); ++d) {
    shape.push_back(x.size(d));
    slice *= x.size(d);
  }
  const Numbers tuples = whole(index);
  const std::int64_t count = index.numel() / tuple, each = lead == 0 ? count : count / x.size(0);
  Numbers from;
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t place = lead == 0 ? 0 : i / each;
    for (int d = 0; d < tuple; ++d) place = place * x.size(lead + d) + tuples[at(i * tuple + d)];
    for (std::int64_t s = 0; s < slice; ++s) from.push_back(place * slice + s);
  }
  const Tensor flat = x.contiguous().reshape({-1});
  if (from.empty()) return zeros(shape, x.dtype());
  return index_select(flat, 0, from_vector(from, {static_cast<std::int64_t>(from.size())})).reshape(shape);
}

Tensor scatter_nd(const Tensor& x, const Tensor& index, const Tensor& updates) {
  std::vector<float> values = real(x);
  const std::vector<float> written = real(updates);
  const Numbers tuples = whole(index);
  for (std::size_t i = 0; i < written.size(); ++i)
    values.at(at(tuples[2 * i] * x.size(1) + tuples[2 * i + 1])) = written[i];
  return from_vector(values, x.shape());
}

double overlap_of(const float* a, const float* b) {
  const double w = std::min(a[2], b[2]) - std::max(a[0], b[0]),
               h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (!(w > 0 && h > 0)) return 0;
  const double area_a = double{a[2]} - a[0], area_b = double{b[2]} - b[0];
  return w * h / (area_a * (a[3] - a[1]) + area_b * (b[3] - b[1]) - w * h);
}

Tensor non_max_suppression(const std::vector<Tensor>& in) {
  const std::vector<float> boxes = real(in[0]), scores = real(in[1]);
  const std::int64_t most = whole(in[2])[0], places = in[0].size(1), classes = in[1].size(1);
  const float limit = real(in[3])[0], least = real(in[4])[0];
  Numbers selected;
  for (std::int64_t n = 0; n < in[0].size(0); ++n) {
    for (std::int64_t k = 0; k < classes; ++k) {
      const float* score = scores.data() + (n * classes + k) * places;
      const float* box = boxes.data() + n * places * 4;
      Numbers order, kept;
      for (std::int64_t p = 0; p < places; ++p)
        if (score[p] > least) order.push_back(p);
      std::stable_sort(order.begin(), order.end(),
                       [&](std::int64_t a, std::int64_t b) { return score[a] > score[b]; });
      for (const std::int64_t p : order) {
        const bool hidden = std::any_of(kept.begin(), kept.end(), [&](std::int64_t other) {
          return overlap_of(box + 4 * p, box + 4 * other) > limit;
        });
        if (hidden || static_cast<std::int64_t>(kept.size()) == most) continue;
        kept.push_back(p);
        selected.insert(selected.end(), {n, k, p});
      }
    }
  }
  return from_vector(selected, {static_cast<std::int64_t>(selected.size() / 3), 3});
}

Tensor arg_max(const Tensor& x) {  // of the last dimension, kept as one
  const std::vector<float> values = real(x);
  const std::int64_t width = x.size(x.dim() - 1);
  Numbers best;
  for (auto row = values.begin(); row != values.end(); row += width)
    best.push_back(std::max_element(row, row + width) - row);
  Shape shape = x.shape();
  shape[x.dim() - 1] = 1;
  return from_vector(best, shape);
}

Tensor whole_division(const Tensor& x, const Tensor& by, bool rest) {
  Numbers values = whole(x);
  const std::int64_t divisor = whole(by).at(0);
  for (std::int64_t& v : values) v = rest ? v % divisor : v / divisor;
  return from_vector(values, x.shape());
}

}  // namespace

std::vector<Tensor> run_detect_op(const std::string& op, const std::vector<Tensor>& in,
                                  const std::function<std::int64_t(const char*, std::int64_t)>& integer) {
  const auto is_whole = [&] { return in.at(0).dtype() == DType::int64; };
  if (op == "ArgMax") return {arg_max(in[0])};
  if (op == "Cast") return {in[0].to(integer("to", 1) != 1 ? DType::int64 : DType::fp32)};
  if (op == "Div" && is_whole()) return {whole_division(in[0], in[1], false)};
  if (op == "Mod") return {whole_division(in[0], in[1], true)};
  if (op == "Equal") return {compare(Compare::equal, in[0], in[1])};
  if (op == "Expand" && in[0].dim() == 0) return {full(Shape(whole(in[1])), in[0].item())};
  if (op == "Gather" && integer("axis", 0) == 1) return {index_select(in[0], 1, in[1])};
  if (op == "GatherND") return {gather_nd(in[0], in[1], integer("batch_dims", 0))};
  if (op == "Greater") return {in[0] > in[1]};
  if (op == "NonMaxSuppression") return {non_max_suppression(in)};
  if (op == "ReduceSum" && is_whole()) return {sum(in[0].to(DType::fp64), {1}).to(DType::int64)};
  if (op == "ScatterND") return {scatter_nd(in[0], in[1], in[2])};
  if (op == "Shape") return {from_vector(in[0].shape().vec(), {in[0].dim()})};
  if (op == "TopK") return top_k(in[0], whole(in[1])[0]);
  if (op == "Where") return {where(in[0], in[1], in[2])};
  return {};
}

}  // namespace gadolin::test
