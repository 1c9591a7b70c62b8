// Assignment 1: what the framework says of shapes, views and products.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "course/1/reads.h"
#include "course/grader/assignment.h"
#include "course/grader/tensors.h"
#include "tensor/cpu/gemm.h"

namespace gadolin::course {
namespace {

MemoryFormat format_of(const Values& request) {
  return integer(request, "channels_last") ? MemoryFormat::channels_last : MemoryFormat::contiguous;
}

// Lists of shapes: [number of dimensions, sizes..., number of dimensions, sizes..., ...].
struct ShapeList {
  const std::vector<std::int64_t>& list;
  std::size_t at = 0;
  bool done() const { return at >= list.size(); }
  Shape next() {
    Shape shape;
    const auto count = static_cast<std::size_t>(list.at(at++));
    for (std::size_t i = 0; i < count; ++i) shape.push_back(list.at(at++));
    return shape;
  }
};
void append_shape(std::vector<std::int64_t>& list, const Shape& shape) {
  list.push_back(shape.dim());
  list.insert(list.end(), shape.begin(), shape.end());
}

Values strides_answer(const Values& request) {
  std::vector<std::int64_t> out;
  for (ShapeList shapes{integers(request, "shapes")}; !shapes.done();)
    append_shape(out, strides_for(shapes.next(), format_of(request)));
  return {{"strides", out}};
}

Values contiguous_answer(const Values& request) {
  std::vector<std::int64_t> out;
  for (ShapeList pairs{integers(request, "pairs")}; !pairs.done();) {
    const Shape shape = pairs.next(), strides = pairs.next();
    out.push_back(is_contiguous(shape, strides, format_of(request)) ? 1 : 0);
  }
  return {{"is_contiguous", out}};
}

Values broadcast_answer(const Values& request) {
  std::vector<std::int64_t> out;
  for (ShapeList pairs{integers(request, "pairs")}; !pairs.done();) {
    const Shape a = pairs.next(), b = pairs.next();
    append_shape(out, broadcast("add", a, b));
  }
  return {{"shapes", out}};
}

Values repeated_answer(const Values& request) {
  std::vector<std::int64_t> out;
  for (ShapeList triples{integers(request, "triples")}; !triples.done();) {
    const Shape shape = triples.next(), strides = triples.next(), to = triples.next();
    append_shape(out, broadcast_strides(shape, strides, to));
  }
  return {{"strides", out}};
}

// A program of views: [what, count, numbers...]; what is 0 permute, 1 expand, 2 slice, 3 reshape.
Tensor run_views(Tensor t, const std::vector<std::int64_t>& program) {
  for (std::size_t at = 0; at < program.size();) {
    const std::int64_t what = program.at(at);
    const auto count = static_cast<std::size_t>(program.at(at + 1));
    const std::vector<std::int64_t> n(program.begin() + static_cast<std::ptrdiff_t>(at) + 2,
                                      program.begin() + static_cast<std::ptrdiff_t>(at + 2 + count));
    at += 2 + count;
    if (what == 0) t = t.permute(Shape(n));
    if (what == 1) t = t.expand(Shape(n));
    if (what == 2) t = t.slice(static_cast<int>(n.at(0)), n.at(1), n.at(2), n.at(3));
    if (what == 3) t = t.reshape(Shape(n));
  }
  return t;
}

Values views_answer(const Values& request) {
  const Array& numbers = array(request, "x");
  Tensor x = tensor_of(numbers);
  if (request.contains("strides"))  // dimensions of size 1 with strides of their own
    x = x.view(x.shape(), Shape(integers(request, "strides")), 0);
  x.requires_grad_();
  const Tensor y = run_views(x, integers(request, "program"));
  Values out{{"y", array_of(y)}, {"shared", static_cast<std::int64_t>(y.storage().id() == x.storage().id())}};
  if (out["shared"] == Value(std::int64_t{1})) {
    // The strides of dimensions with one element, or of no elements, say nothing.
    std::vector<std::int64_t> strides = vector_of(y.strides());
    for (int d = 0; d < y.dim(); ++d)
      if (y.size(d) == 1 || y.numel() == 0) strides[static_cast<std::size_t>(d)] = 0;
    out["strides"] = strides;
    if (y.numel() > 0) out["offset"] = y.offset();
  }
  if (request.contains("dy")) {
    y.backward(tensor_of({vector_of(y.shape()), array(request, "dy").numbers}));
    out["dx"] = array_of(x.grad());
  }
  return out;
}

// Numbers before a page that nobody may touch: what reads or writes beyond them ends the probe.
template <class T> class Guarded {
 public:
  explicit Guarded(std::size_t count) : count_(count) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t bytes = (count * sizeof(T) + page - 1) / page * page;
    size_ = bytes + page;
    base_ = static_cast<char*>(
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || ::mprotect(base_ + bytes, page, PROT_NONE) != 0)
      throw std::runtime_error("no memory for an operand");
    data_ = reinterpret_cast<T*>(base_ + bytes - count * sizeof(T));
  }
  ~Guarded() { ::munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  T* data() { return data_; }
  std::size_t size() const { return count_; }

 private:
  char* base_ = nullptr;
  T* data_ = nullptr;
  std::size_t count_ = 0, size_ = 0;
};

MatrixProduct product_of(const Values& request) {
  MatrixProduct p;
  p.m = integer(request, "m");
  p.n = integer(request, "n");
  p.k = integer(request, "k");
  p.batch = integer(request, "batch");
  p.a = {integer(request, "a_transposed") != 0, integer(request, "a_ld"), integer(request, "a_step")};
  p.b = {integer(request, "b_transposed") != 0, integer(request, "b_ld"), integer(request, "b_step")};
  return p;
}

template <class T> Values product_in(const MatrixProduct& p, const Values& request) {
  const auto filled = [&](Guarded<T>& to, const Array& from) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      if constexpr (is_half<T>)
        to.data()[i] = convert<T>(static_cast<float>(from.numbers[i]));
      else
        to.data()[i] = static_cast<T>(from.numbers[i]);
    }
  };
  const Array &a = array(request, "a"), &b = array(request, "b");
  Guarded<T> x(a.numbers.size()), y(b.numbers.size()), c(static_cast<std::size_t>(p.batch * p.m * p.n));
  filled(x, a);
  filled(y, b);
  for (std::size_t i = 0; i < c.size(); ++i) c.data()[i] = convert<T>(std::nanf(""));
  gemm_reference(p, x.data(), y.data(), c.data());
  Array out{{p.batch, p.m, p.n}, {}};
  for (std::size_t i = 0; i < c.size(); ++i) out.numbers.push_back(convert<float>(c.data()[i]));
  if constexpr (std::is_same_v<T, double>)
    for (std::size_t i = 0; i < c.size(); ++i) out.numbers[i] = c.data()[i];
  return {{"c", out}};
}

Values product_answer(const Values& request) {
  const MatrixProduct p = product_of(request);
  const std::string& dtype = text(request, "dtype");
  if (dtype == "fp64") return product_in<double>(p, request);
  if (dtype == "bf16") return product_in<bfloat16>(p, request);
  return product_in<float>(p, request);
}

Values reads_answer(const Values& request) {
  const MatrixProduct p = product_of(request);
  const Array &a = array(request, "a"), &b = array(request, "b");
  std::vector<float> x(a.numbers.begin(), a.numbers.end()), y(b.numbers.begin(), b.numbers.end());
  std::vector<float> c(static_cast<std::size_t>(p.m * p.n));
  const std::int64_t reads = counted_product(p, x, y, c);
  return {{"reads", reads}, {"c", Array{{p.m, p.n}, {c.begin(), c.end()}}}};
}

// --- the demonstration: three planes of a made-up CT volume
// --------------------------------------------------

// Air, a body, two lungs, a spine and a lesion, in grey values of 0 to 255.
Tensor made_up_volume(std::int64_t lesion) {
  constexpr std::int64_t depth = 24, height = 64, width = 80;
  std::vector<double> v;
  for (std::int64_t z = 0; z < depth; ++z) {
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        const auto inside = [&](double cz, double cy, double cx, double rz, double ry, double rx) {
          const double a = (static_cast<double>(z) - cz) / rz, b = (static_cast<double>(y) - cy) / ry,
                       c = (static_cast<double>(x) - cx) / rx;
          return a * a + b * b + c * c < 1;
        };
        double grey = inside(12, 32, 40, 40, 26, 34) ? 140 : 0;
        if (inside(10, 30, 26, 12, 16, 10) || inside(10, 30, 54, 12, 16, 10)) grey = 40;
        if (inside(12, 50, 40, 60, 5, 5)) grey = 230;
        if (inside(10, 26, static_cast<double>(lesion), 2.5, 4, 4)) grey = 170;
        v.push_back(grey);
      }
    }
  }
  return tensor(v, {depth, height, width});
}

void put(std::vector<unsigned char>& picture, std::int64_t width, const Array& plane, std::int64_t left) {
  const std::int64_t rows = plane.shape[0], cols = plane.shape[1];
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      picture[static_cast<std::size_t>(r * width + left + c)] =
          static_cast<unsigned char>(plane.numbers[static_cast<std::size_t>(r * cols + c)]);
}

Values demo_answer(const Values& request) {
  const std::int64_t lesion = request.contains("lesion") ? integer(request, "lesion") : 28;
  const Tensor volume = made_up_volume(lesion);
  const std::int64_t depth = volume.size(0), height = volume.size(1), width = volume.size(2);
  // Slices are thicker than pixels: each is shown twice, by a stride of 0.
  const auto thick = [&](const Tensor& plane) {  // [depth, across] -> [depth, 2, across]
    return plane.unsqueeze(1).expand({depth, 2, plane.size(1)});
  };
  const Tensor axial = volume.slice(0, 10, 11).squeeze(0);
  const Tensor coronal = thick(volume.permute({1, 0, 2}).slice(0, 26, 27).squeeze(0));
  const Tensor sagittal = thick(volume.permute({2, 0, 1}).slice(0, lesion, lesion + 1).squeeze(0));
  std::int64_t copied = 0;
  Values out;
  for (const auto& [name, plane] : {std::pair<const char*, const Tensor&>{"axial", axial},
                                    {"coronal", coronal},
                                    {"sagittal", sagittal}}) {
    if (plane.storage().id() != volume.storage().id()) copied += plane.nbytes();
    out[name] = array_of(plane);
  }
  out["bytes_copied"] = copied;
  if (request.contains("folder")) {
    const std::int64_t across = width + width + height, down = std::max(height, 2 * depth);
    std::vector<unsigned char> picture(static_cast<std::size_t>(across * down));
    const auto flat = [&](const char* name) {
      Array plane = std::get<Array>(out[name]);
      if (plane.shape.size() == 3) plane.shape = {plane.shape[0] * plane.shape[1], plane.shape[2]};
      return plane;
    };
    put(picture, across, flat("axial"), 0);
    put(picture, across, flat("coronal"), width);
    put(picture, across, flat("sagittal"), 2 * width);
    std::ofstream file(text(request, "folder") + "/planes.pgm", std::ios::binary);
    file << "P5\n" << across << " " << down << "\n255\n";
    file.write(reinterpret_cast<const char*>(picture.data()), static_cast<std::streamsize>(picture.size()));
  }
  return out;
}

}  // namespace

Values answer_1(const Values& request) {
  const std::string& op = text(request, "op");
  if (op == "strides") return strides_answer(request);
  if (op == "contiguous") return contiguous_answer(request);
  if (op == "broadcast") return broadcast_answer(request);
  if (op == "repeated") return repeated_answer(request);
  if (op == "views") return views_answer(request);
  if (op == "product") return product_answer(request);
  if (op == "reads") return reads_answer(request);
  if (op == "demo") return demo_answer(request);
  throw std::invalid_argument("no op '" + op + "'");
}

}  // namespace gadolin::course
