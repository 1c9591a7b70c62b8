// Inputs of the op tests from their recipes, and the plain-loop helpers of references.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/random.h"
#include "tests/op_spec.h"

namespace gadolin {

Input Input::between(double lo, double hi) const {
  Input changed = *this;
  changed.low = lo;
  changed.high = hi;
  return changed;
}
Input Input::away_from(double kink, double distance) const {
  Input changed = *this;
  changed.kinks.push_back(kink);
  changed.gap = distance;
  return changed;
}
Input Input::distinct() const {
  Input changed = *this;
  changed.kind = Kind::distinct;
  return changed;
}
Input Input::fixed() const {
  Input changed = *this;
  changed.wants_gradient = false;
  return changed;
}

Input shaped(const Shape& shape, std::optional<DType> dtype) {
  return {.kind = Input::Kind::uniform, .shape = shape, .dtype = dtype};
}
Input values(const std::vector<double>& numbers, const Shape& shape, std::optional<DType> dtype) {
  return {.kind = Input::Kind::given, .shape = shape, .dtype = dtype, .numbers = numbers};
}
Input values(const std::vector<double>& numbers, std::optional<DType> dtype) {
  return values(numbers, {static_cast<std::int64_t>(numbers.size())}, dtype);
}
Input indices(const Shape& shape, std::int64_t below) {
  return {.kind = Input::Kind::index,
          .shape = shape,
          .dtype = DType::int64,
          .low = 0,
          .high = static_cast<double>(below),
          .wants_gradient = false};
}
Input mask(const Shape& shape) {
  return {.kind = Input::Kind::mask, .shape = shape, .dtype = DType::boolean, .wants_gradient = false};
}

namespace {

double draw(const Input& input, RandomStream& random) {
  for (;;) {
    const double x = input.low + (input.high - input.low) * static_cast<double>(random.uniform());
    const bool kinked = std::any_of(input.kinks.begin(), input.kinks.end(),
                                    [&](double kink) { return std::abs(x - kink) < input.gap; });
    if (!kinked) return x;
  }
}

std::vector<double> numbers_of(const Input& input, RandomStream& random) {
  const std::size_t n = static_cast<std::size_t>(input.shape.numel());
  std::vector<double> x(n);
  switch (input.kind) {
    case Input::Kind::given: return input.numbers;
    case Input::Kind::index:
      for (double& v : x) v = static_cast<double>(random.below(static_cast<std::uint64_t>(input.high)));
      break;
    case Input::Kind::mask:
      for (double& v : x) v = random.chance(0.5f) ? 1 : 0;
      break;
    case Input::Kind::distinct:
      for (std::size_t i = 0; i < n; ++i) {
        x[i] = input.low + (input.high - input.low) * (static_cast<double>(i) + 0.5) / static_cast<double>(n);
      }
      shuffle(x, random);
      break;
    default:
      for (double& v : x) v = draw(input, random);
  }
  return x;
}

}  // namespace

Tensor make(const Input& input, DType dtype, Device device, std::uint64_t seed) {
  if (input.kind == Input::Kind::undefined) return {};
  RandomStream random(seed, 0);
  std::vector<double> x = numbers_of(input, random);
  const DType type = input.dtype.value_or(dtype);
  const bool drawn = input.kind == Input::Kind::uniform || input.kind == Input::Kind::distinct;
  if (!is_floating(type) && drawn) {  // -15 to 15; without a sign for uint8; both truth values for bool
    for (double& v : x) {
      v = std::round(10 * v);
      if (type == DType::uint8) v = std::abs(v);
      if (type == DType::boolean) v = v > 0 ? 1 : 0;
    }
  }
  return tensor(x, input.shape, type, device);
}

Inputs make(const OpCase& c, DType dtype, Device device) {
  Inputs inputs;
  std::uint64_t seed = 100;
  for (const Input& input : c.inputs) inputs.push_back(make(input, dtype, device, seed++));
  return inputs;
}

// --- references --------------------------------------------------------------------------------------------

double at(const Tensor& t, const Index& index) {
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < index.size(); ++d) offset += index[d] * t.strides()[static_cast<int>(d)];
  return t.data<double>()[offset];
}

Tensor tabulate(const Shape& shape, const std::function<double(const Index&)>& f) {
  std::vector<double> y(static_cast<std::size_t>(shape.numel()));
  Index index(static_cast<std::size_t>(shape.dim()));
  for (double& v : y) {
    v = f(index);
    for (int d = shape.dim() - 1; d >= 0; --d) {
      if (++index[static_cast<std::size_t>(d)] < shape[d]) break;
      index[static_cast<std::size_t>(d)] = 0;
    }
  }
  return tensor(y, shape, DType::fp64);
}

Tensor Reference::operator()(const Inputs& in) const {
  if (many_) return many_(in);
  if (one_) {
    return tabulate(in[0].shape(), [&](const Index& i) { return one_(at(in[0], i)); });
  }
  const Shape shape = broadcast("reference", in[0].shape(), in[1].shape());
  const Tensor a =
      in[0].view(shape, broadcast_strides(in[0].shape(), in[0].strides(), shape), in[0].offset());
  const Tensor b =
      in[1].view(shape, broadcast_strides(in[1].shape(), in[1].strides(), shape), in[1].offset());
  return tabulate(shape, [&](const Index& i) { return two_(at(a, i), at(b, i)); });
}

}  // namespace gadolin
