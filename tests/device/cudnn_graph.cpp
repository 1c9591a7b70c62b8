// The walk over an operation graph: convolutions and their gradients, sums and ReLU, in double.
#include <algorithm>
#include <stdexcept>

#include "cudnn.h"
#include "elements.h"
#include "machine.h"

namespace software_cuda {
namespace {

struct TensorFacts {
  std::int64_t id;
  cudnnDataType_t type;
  std::vector<std::int64_t> dims, strides;
  bool is_virtual;

  explicit TensorFacts(const Body& b)
      : id(b.get<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        type(b.get<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)),
        dims(b.all<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
        strides(b.all<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
        is_virtual(b.get<char>(CUDNN_ATTR_TENSOR_IS_VIRTUAL) != 0) {}
  cudaDataType_t element() const {
    switch (type) {
      case CUDNN_DATA_DOUBLE: return CUDA_R_64F;
      case CUDNN_DATA_HALF: return CUDA_R_16F;
      case CUDNN_DATA_BFLOAT16: return CUDA_R_16BF;
      default: return CUDA_R_32F;
    }
  }
  std::size_t size() const {
    std::size_t n = 1;
    for (const std::int64_t d : dims) n *= static_cast<std::size_t>(d);
    return n;
  }
  // f(place in a dense array, place in memory) for every element.
  template <class F> void each(F f) const {
    std::size_t at = 0;
    for (std::int64_t n = 0; n < dims[0]; ++n)
      for (std::int64_t h = 0; h < dims[2]; ++h)
        for (std::int64_t w = 0; w < dims[3]; ++w)
          for (std::int64_t c = 0; c < dims[1]; ++c, ++at)
            f(at, n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3]);
  }
};

// Dense numbers with channels last, so that innermost loops run over neighbours.
struct Numbers {
  std::vector<std::int64_t> dims;
  std::vector<double> v;
  double& at(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
    return v[static_cast<std::size_t>(((n * dims[2] + h) * dims[3] + w) * dims[1] + c)];
  }
};

double scale(const Body& operation, int name) {
  return operation.attributes.at(name).type == CUDNN_TYPE_DOUBLE
             ? operation.get<double>(name)
             : static_cast<double>(operation.get<float>(name));
}

class Walk {
 public:
  Walk(const std::map<std::int64_t, void*>& tensors, bool cores) : tensors_(tensors), cores_(cores) {}

  void run(const Body& operation) {
    switch (operation.type) {
      case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        convolve(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y);
        return;
      case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
        convolve(
            operation, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX);
        return;
      case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
        convolve(
            operation, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW);
        return;
      case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR: pointwise(operation); return;
      default:
        report("cuDNN: this device knows no operation with the descriptor " + std::to_string(operation.type));
    }
  }

 private:
  void* address(const TensorFacts& t) const {
    const auto found = tensors_.find(t.id);
    if (found == tensors_.end())
      throw std::runtime_error("cuDNN: tensor " + std::to_string(t.id) + " has no address");
    return found->second;
  }
  Numbers load(const Body& descriptor, bool rounded) {
    const TensorFacts t(descriptor);
    if (t.is_virtual) return virtuals_.at(t.id);
    Numbers n{t.dims, std::vector<double>(t.size())};
    const void* from = address(t);
    const bool narrow = rounded && cores_ && t.type == CUDNN_DATA_FLOAT;
    t.each([&](std::size_t at, std::int64_t place) {
      const double value = software_cuda::get(from, t.element(), place);
      n.v[at] = narrow ? tf32(value) : value;
    });
    return n;
  }
  void store(const Body& descriptor, const Numbers& n) {
    const TensorFacts t(descriptor);
    if (t.is_virtual) {
      virtuals_[t.id] = n;
      return;
    }
    void* to = address(t);
    t.each([&](std::size_t at, std::int64_t place) { put(to, t.element(), place, n.v[at]); });
  }

  // The three passes are one loop: of x, w and y one is the result, the sum of products of the others.
  void convolve(const Body& o, int desc, int x_name, int w_name, int y_name, int alpha_name, int beta_name,
                int result_name) {
    const Body& how = o.child(desc);
    const auto before = how.all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
               stride = how.all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
               dilation = how.all<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
    const auto operand = [&](int name) {
      if (name != result_name) return load(o.child(name), true);
      const TensorFacts t(o.child(name));
      return Numbers{t.dims, std::vector<double>(t.size(), 0.0)};
    };
    Numbers x = operand(x_name), w = operand(w_name), y = operand(y_name);
    const std::int64_t per_group = w.dims[1], groups = x.dims[1] / per_group, filters = w.dims[0] / groups;
    for (std::int64_t n = 0; n < y.dims[0]; ++n)
      for (std::int64_t k = 0; k < y.dims[1]; ++k)
        for (std::int64_t r = 0; r < w.dims[2]; ++r)
          for (std::int64_t s = 0; s < w.dims[3]; ++s)
            for (std::int64_t p = 0; p < y.dims[2]; ++p)
              for (std::int64_t q = 0; q < y.dims[3]; ++q) {
                const std::int64_t h = p * stride[0] - before[0] + r * dilation[0],
                                   i = q * stride[1] - before[1] + s * dilation[1];
                if (h < 0 || i < 0 || h >= x.dims[2] || i >= x.dims[3]) continue;
                double *of_x = &x.at(n, k / filters * per_group, h, i), *of_w = &w.at(k, 0, r, s),
                       &of_y = y.at(n, k, p, q);
                if (result_name == y_name)
                  of_y += dot(of_x, of_w, per_group);
                else if (result_name == x_name)
                  add_scaled(of_x, of_y, of_w, per_group);
                else
                  add_scaled(of_w, of_y, of_x, per_group);
              }
    Numbers& result = result_name == y_name ? y : result_name == x_name ? x : w;
    const double alpha = scale(o, alpha_name), beta = scale(o, beta_name);
    for (double& v : result.v) v *= alpha;
    if (beta != 0) {
      const Numbers old = load(o.child(result_name), false);
      for (std::size_t i = 0; i < result.v.size(); ++i) result.v[i] += beta * old.v[i];
    }
    store(o.child(result_name), result);
  }

  void pointwise(const Body& o) {
    const Body& how = o.child(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
    const auto mode = how.get<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
    Numbers x = load(o.child(CUDNN_ATTR_OPERATION_POINTWISE_XDESC), false);
    if (mode == CUDNN_POINTWISE_RELU_FWD) {
      const bool keeps = how.has(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION) &&
                         how.get<cudnnNanPropagation_t>(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION) ==
                             CUDNN_PROPAGATE_NAN;  // else NaN comes out as 0
      for (double& v : x.v) v = v > 0 || (keeps && v != v) ? v : 0;
    } else if (mode != CUDNN_POINTWISE_ADD) {
      report("cuDNN: this device knows no pointwise mode " + std::to_string(mode));
    } else {
      Numbers b = load(o.child(CUDNN_ATTR_OPERATION_POINTWISE_BDESC), false);
      const auto along = [&](int d, std::int64_t i) {
        return b.dims[static_cast<std::size_t>(d)] == 1 ? 0 : i;
      };
      for (std::int64_t n = 0; n < x.dims[0]; ++n)
        for (std::int64_t c = 0; c < x.dims[1]; ++c)
          for (std::int64_t h = 0; h < x.dims[2]; ++h)
            for (std::int64_t w = 0; w < x.dims[3]; ++w)
              x.at(n, c, h, w) += b.at(along(0, n), along(1, c), along(2, h), along(3, w));
    }
    store(o.child(CUDNN_ATTR_OPERATION_POINTWISE_YDESC), x);
  }

  const std::map<std::int64_t, void*>& tensors_;
  bool cores_;
  std::map<std::int64_t, Numbers> virtuals_;
};

// The tensors of an operation: which one it writes.
struct Roles {
  int written;
  std::vector<int> read;
  int beta;  // not 0: what is written is read first
  const char* name;
};
Roles roles_of(const Body& operation) {
  switch (operation.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W},
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
              "forward"};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W},
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
              "gradient of the data"};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY},
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
              "gradient of the weight"};
    default:
      return {CUDNN_ATTR_OPERATION_POINTWISE_YDESC,
              {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC},
              -1,
              "pointwise"};
  }
}

}  // namespace

Charge charge_of_graph(const Body& graph, bool cores) {
  Charge c{.kind = "convolution"};
  for (const BodyPointer& operation : graph.attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).children) {
    const Roles roles = roles_of(*operation);
    const auto bytes = [&](int name) {
      if (!operation->has(name)) return 0.0;
      const TensorFacts t(operation->child(name));
      return t.is_virtual ? 0.0
                          : static_cast<double>(t.size()) * static_cast<double>(element_bytes(t.element()));
    };
    for (const int name : roles.read) c.read += bytes(name);
    c.written += bytes(roles.written);
    if (roles.beta >= 0 && scale(*operation, roles.beta) != 0) c.read += bytes(roles.written);
    if (operation->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR) continue;
    // Two operations for each product: an output's pixels times the weight's elements, in groups or not.
    const auto tensor = [&](std::size_t i) {
      return TensorFacts(operation->child(i < roles.read.size() ? roles.read[i] : roles.written));
    };
    const bool forward = operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
               weight = operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
    const TensorFacts y = tensor(forward ? 2 : weight ? 1 : 0), w = tensor(weight ? 2 : 1);
    c.name = roles.name;
    c.flops += 2.0 * static_cast<double>(w.size()) * static_cast<double>(y.dims[0] * y.dims[2] * y.dims[3]);
    const cudnnDataType_t type = tensor(0).type;  // of memory; what is virtual is wider
    c.type = type == CUDNN_DATA_BFLOAT16 ? "bf16"
             : type == CUDNN_DATA_HALF   ? "fp16"
             : type == CUDNN_DATA_DOUBLE ? "fp64"
             : cores                     ? "tf32"
                                         : "fp32";
  }
  return c;
}

bool takes(const Body& graph, std::int64_t engine) {
  const auto& operations = graph.attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).children;
  const Body& first = *operations.front();
  if (engine == unordered_engine)
    return first.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
  if (engine != tensor_core_engine) return engine == plain_engine;
  // Of the convolution: no doubles, channels innermost, whole packs of 16 bytes of channels.
  for (const auto& [name, attribute] : first.attributes) {
    if (attribute.type != CUDNN_TYPE_BACKEND_DESCRIPTOR) continue;
    const Body& child = *attribute.children.at(0);
    if (child.type != CUDNN_BACKEND_TENSOR_DESCRIPTOR) continue;
    const TensorFacts t(child);
    if (t.is_virtual) continue;
    const std::int64_t pack = t.type == CUDNN_DATA_FLOAT ? 4 : 8;
    if (t.type == CUDNN_DATA_DOUBLE || t.strides[1] != 1 || t.dims[1] % pack != 0) return false;
  }
  return true;
}

void run_graph(const Body& graph, const std::map<std::int64_t, void*>& tensors, bool cores) {
  Walk walk(tensors, cores);
  try {
    for (const BodyPointer& operation : graph.attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).children)
      walk.run(*operation);
  } catch (const std::exception& error) {
    report(std::string("cuDNN: ") + error.what());
  }
}

}  // namespace software_cuda
