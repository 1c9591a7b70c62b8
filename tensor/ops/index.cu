// gather, scatter_add, index_select and one_hot. Sums of scatter_add run in the order of the index on both
// devices: a thread owns a slice, so there are no atomics and results repeat.
#include <algorithm>

#include "tensor/function.h"
#include "tensor/ops.h"
#include "tensor/ops/index_loop.h"
#include "tensor/ops/promote.h"

namespace gadolin {
namespace {

// y[i] = x[.., index[i], ..]; an index outside reads 0.
template <class Word> struct GatherLoop {
  detail::Walk<3> walk;  // y, index, x at 0 along the dimension
  std::int64_t limit, step;
  Word* y;
  const std::int64_t* index;
  const Word* x;
  GADOLIN_HD void operator()(std::int64_t i) const {
    std::int64_t at[3];
    walk.at(i, at);
    const std::int64_t chosen = index[at[1]];
    y[at[0]] = chosen >= 0 && chosen < limit ? x[at[2] + chosen * step] : Word(0);
  }
};

// Adds the sources of one slice to y, in order; an index outside is left out.
template <class T> struct ScatterAddLoop {
  detail::Walk<3> slices;  // y, index, source
  std::int64_t count, limit, y_step, index_step, source_step;
  T* y;
  const std::int64_t* index;
  const T* source;
  GADOLIN_HD void operator()(std::int64_t slice) const {
    std::int64_t at[3];
    slices.at(slice, at);
    for (std::int64_t j = 0; j < count; ++j) {
      const std::int64_t chosen = index[at[1] + j * index_step];
      if (chosen >= 0 && chosen < limit) y[at[0] + chosen * y_step] += source[at[2] + j * source_step];
    }
  }
};

void require_index(const char* op, const Tensor& x, const Tensor& index) {
  require<DTypeError>(index.dtype() == DType::int64, op, ": index is ", index.dtype(),
                      ", not int64; convert with .to(DType::int64)");
  require<DeviceError>(index.device() == x.device(), op, ": index is on ", index.device(),
                       ", but the tensor is on ", x.device());
}

// Every index in [0, limit)? Looked at on the CPU only: asking the GPU would wait for it.
void require_range(const char* op, const Tensor& index, std::int64_t limit) {
  if (index.device().is_cuda() || index.numel() == 0) return;
  Tensor once = index.detach();  // without the repeats of an expanded index
  for (int d = 0; d < once.dim(); ++d) {
    if (once.stride(d) == 0) once = once.slice(d, 0, 1);
  }
  const NoGrad guard;
  once = once.contiguous();
  const std::int64_t* begin = once.data<std::int64_t>();
  const std::int64_t* end = begin + once.numel();
  const std::int64_t* bad = std::find_if(begin, end, [limit](std::int64_t i) { return i < 0 || i >= limit; });
  if (bad == end) return;
  Shape position = once.shape();
  std::int64_t rest = bad - begin;
  for (int d = once.dim() - 1; d >= 0; --d) {
    position[d] = rest % once.size(d);
    rest /= once.size(d);
  }
  fail<ValueError, 2>(op, ": index ", *bad, " at ", position, " is outside [0, ", limit, ")");
}

void require_fits(const char* op, const Tensor& x, int dim, const Tensor& index) {
  bool fits = index.dim() == x.dim();
  for (int d = 0; d < x.dim() && fits; ++d) fits = d == dim || index.size(d) <= x.size(d);
  require<ShapeError>(fits, op, ": index ", index.shape(), " does not fit ", x.shape(), " outside dimension ",
                      dim);
}

// y[i][j] = x[index[i][j]][j] for dim 0; index is at most as large as x along the other dimensions.
struct GatherFunction {
  static constexpr auto name = "gather";
  int dim;
  Saved index;
  Shape from;

  void check(const Tensor& x, const Tensor& at) const {
    require_index(name, x, at);
    require_fits(name, x, dim, at);
    require_range(name, at, x.size(dim));
  }
  Tensor allocate(const Tensor& x, const Tensor& at) const {
    return empty(at.shape(), x.dtype(), x.device(), x.format());
  }
  void save(const Tensor& x, const Tensor& at, const Tensor&) {
    index = at;
    from = x.shape();
  }
  template <class D> void forward(D device, const Tensor& x, const Tensor& at, Tensor& y) const {
    Strides fixed = x.strides();
    fixed[dim] = 0;
    const auto walk = detail::make_walk<3>(y.shape(), {y.strides(), at.strides(), fixed});
    detail::dispatch_words(x.dtype(), [&]<class Word>(Tag<Word>) {
      detail::for_each_index(device, name, y.numel(), 1,
                             GatherLoop<Word>{walk, x.size(dim), x.stride(dim), static_cast<Word*>(y.raw()),
                                              at.data<std::int64_t>(), static_cast<const Word*>(x.raw())});
    });
  }
  Grads backward(const Tensor& dy, Need) const {
    return {scatter_add(zeros(from, dy.dtype(), dy.device()), dim, index, dy), {}};
  }
};

struct ScatterAddFunction {
  static constexpr auto name = "scatter_add";
  int dim;
  Saved index;

  void check(const Tensor& x, const Tensor& at, const Tensor& source) const {
    const Tensor* both[] = {&x, &source};
    detail::check_same(name, both, 2);
    require_index(name, x, at);
    require<ShapeError>(source.shape() == at.shape(), name, ": source ", source.shape(), " and index ",
                        at.shape(), " must have the same shape");
    require_fits(name, x, dim, at);
    require_range(name, at, x.size(dim));
  }
  Tensor allocate(const Tensor& x, const Tensor&, const Tensor&) const { return empty_like(x); }
  void save(const Tensor&, const Tensor& at, const Tensor&, const Tensor&) { index = at; }

  template <class T, class D>
  static void add(D device, int dim, const Tensor& y, const Tensor& at, const Tensor& source) {
    const auto slices =
        detail::make_slice_walk<3>(at.shape(), {y.strides(), at.strides(), source.strides()}, dim);
    detail::for_each_index(
        device, name, slices.numel, at.size(dim),
        ScatterAddLoop<T>{slices, at.size(dim), y.size(dim), y.stride(dim), at.stride(dim),
                          source.stride(dim), y.data<T>(), at.data<std::int64_t>(), source.data<T>()});
  }
  template <class D>
  void forward(D device, const Tensor& x, const Tensor& at, const Tensor& source, Tensor& y) const {
    if (x.dtype() == DType::bf16 || x.dtype() == DType::fp16) {  // summed in fp32, rounded once
      Tensor sums = x.to(DType::fp32);
      add<float>(device, dim, sums, at, source.to(DType::fp32));
      y.copy_(sums);
      return;
    }
    y.copy_(x);
    if (x.dtype() == DType::int64) return add<std::int64_t>(device, dim, y, at, source);
    if (x.dtype() == DType::fp64) return add<double>(device, dim, y, at, source);
    require<DTypeError, 2>(x.dtype() == DType::fp32, name, ": ", x.dtype(),
                           " is not supported; convert with .to(DType::fp32)");
    add<float>(device, dim, y, at, source);
  }
  Grads backward(const Tensor& dy, Need need) const {
    return {need[0] ? dy : Tensor(), {}, need[2] ? gather(dy, dim, index) : Tensor()};
  }
};

}  // namespace

Tensor gather(const Tensor& x, int dim, const Tensor& index) {
  return apply(GatherFunction{checked_dim("gather", dim, x.dim()), {}, {}}, x, index);
}

Tensor scatter_add(const Tensor& x, int dim, const Tensor& index, const Tensor& source) {
  const ScatterAddFunction f{checked_dim("scatter_add", dim, x.dim()), {}};
  if (!detail::is_narrow(x.dtype()) || source.dtype() != x.dtype()) return apply(f, x, index, source);
  return apply(f, detail::as_int64(x), index, detail::as_int64(source)).to(x.dtype());
}

Tensor index_select(const Tensor& x, int dim, const Tensor& index) {
  dim = checked_dim("index_select", dim, x.dim());
  require<ShapeError>(index.dim() == 1, "index_select: index ", index.shape(), " must have one dimension");
  require_index("index_select", x, index);
  require_range("index_select", index, x.size(dim));
  Shape line = Shape::filled(x.dim(), 1), all = x.shape();
  line[dim] = all[dim] = index.size(0);
  return gather(x, dim, index.reshape(line).expand(all));
}

Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype) {
  require<ValueError>(classes > 0, "one_hot: ", classes, " classes; at least one is needed");
  require_index("one_hot", index, index);
  require_range("one_hot", index, classes);
  return eq(arange(classes, DType::int64, index.device()), index.unsqueeze(-1)).to(dtype);
}

}  // namespace gadolin
