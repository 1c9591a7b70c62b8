#include "course/grader/tensors.h"

#include <stdexcept>

namespace gadolin::course {

Tensor tensor_of(const Array& array, DType dtype) { return tensor(array.numbers, Shape(array.shape), dtype); }

DType dtype_named(const std::string& name) {
  for (DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16, DType::int64, DType::int32,
                      DType::uint8, DType::boolean}) {
    if (name == name_of(dtype)) return dtype;
  }
  throw std::invalid_argument("no dtype '" + name + "'");
}

namespace {
double number_at(const char* at, DType dtype) {
  return dispatch_all(dtype, [&]<class T>(Tag<T>) {
    if constexpr (dtype_of<T> == DType::bf16 || dtype_of<T> == DType::fp16)
      return static_cast<double>(convert<float>(*reinterpret_cast<const T*>(at)));
    else
      return static_cast<double>(*reinterpret_cast<const T*>(at));
  });
}
}  // namespace

Array array_of(const Tensor& t) {
  if (!t.defined()) return {{-1}, {}};
  const Tensor host = t.device().is_cuda() ? t.to(cpu) : t;
  Array out{vector_of(host.shape()), {}};
  std::int64_t count = 1;
  for (std::int64_t size : out.shape) {
    if (size < 0 || (size > 0 && count > (std::int64_t{1} << 23) / size))
      throw std::out_of_range("a result of shape " + to_string(Value(out.shape)) + " is too large to send");
    count *= size;
  }
  const auto held = static_cast<std::int64_t>(host.storage().nbytes()) / size_of(host.dtype());
  const auto* base = static_cast<const char*>(host.storage().data());
  std::vector<std::int64_t> index(out.shape.size(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t at = host.offset();
    for (std::size_t d = 0; d < index.size(); ++d) at += index[d] * host.strides()[static_cast<int>(d)];
    if (at < 0 || at >= held)
      throw std::out_of_range("element " + to_string(Value(index)) + " lies outside the storage");
    out.numbers.push_back(number_at(base + at * size_of(host.dtype()), host.dtype()));
    for (std::size_t d = index.size(); d-- > 0;) {
      if (++index[d] < out.shape[d]) break;
      index[d] = 0;
    }
  }
  return out;
}

}  // namespace gadolin::course
