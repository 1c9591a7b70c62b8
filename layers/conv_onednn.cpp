// Convolution through oneDNN: plain channels-last images, filters in whatever order the primitive likes best.
// Reordered filters are kept with the version of the weight they were made from.
#include "layers/conv_function.h"
#include "tensor/onednn.h"

namespace gadolin::detail {

#ifdef GADOLIN_ONEDNN
namespace {

using dnnl::memory;
namespace od = onednn;

struct Described {
  memory::dims stride, dilation, before, after;  // of padding
  memory::desc x, weight, bias, y;               // weight in any order
  memory::desc weight_as_stored;
};

memory::desc filters(const ConvSizes& z, const Tensor& weight, DType dtype, bool as_stored) {
  memory::dims dims = weight.shape().vec(), strides = weight.strides().vec();
  if (z.groups > 1) {
    dims.insert(dims.begin(), z.groups);
    dims[1] /= z.groups;
    strides.insert(strides.begin(), strides[0] * dims[1]);
  }
  const auto type = od::type_of(dtype);
  return as_stored ? memory::desc(dims, type, strides) : memory::desc(dims, type, memory::format_tag::any);
}

Described describe(const ConvSizes& z, const Tensor& weight, DType dtype, bool with_bias) {
  const Conv2dOptions& o = z.options;
  const auto type = od::type_of(dtype);
  Described d;
  d.stride = {o.stride.h, o.stride.w};
  d.dilation = {o.dilation.h - 1, o.dilation.w - 1};
  d.before = {z.before.h, z.before.w};
  d.after = {z.after.h, z.after.w};
  d.x = memory::desc({z.n, z.c, z.h, z.w}, type, memory::format_tag::nhwc);
  d.y = memory::desc({z.n, z.k, z.p, z.q}, type, memory::format_tag::nhwc);
  d.weight = filters(z, weight, dtype, false);
  d.weight_as_stored = filters(z, weight, dtype, true);
  if (with_bias) d.bias = memory::desc({z.k}, type, memory::format_tag::x);
  return d;
}

od::Key key_of(int pass, const ConvSizes& z, const Tensor& weight, bool with_bias) {
  const Conv2dOptions& o = z.options;
  od::Key key{pass,      z.n,          z.c,          z.h,        z.w,        z.k,
              z.groups,  o.stride.h,   o.stride.w,   z.before.h, z.before.w, z.after.h,
              z.after.w, o.dilation.h, o.dilation.w, with_bias};
  od::append(key, weight);
  return key;
}

// A primitive, the order it wants its filters in, and the filters in that order.
struct Plan {
  dnnl::primitive run;
  memory::desc weight, weight_as_stored, scratch;
  bool reorders = false;
  dnnl::reorder reorder;
  bool copies = false;  // the addend into y first
};

template <class Descriptor>
Plan plan_for(const Described& d, const Descriptor& pd, const memory::desc& weight, bool into) {
  Plan plan{dnnl::primitive(pd),          weight, d.weight_as_stored, pd.scratchpad_desc(),
            weight != d.weight_as_stored, {}};
  if (plan.reorders) {
    const auto& from = into ? d.weight_as_stored : weight;
    const auto& to = into ? weight : d.weight_as_stored;
    plan.reorder = dnnl::reorder(dnnl::reorder::primitive_desc(od::engine(), from, od::engine(), to));
  }
  return plan;
}

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

// What follows the convolution in registers. oneDNN's ReLU makes NaN 0; a leaky one keeps it, and with this
// slope what is negative becomes too little to change any sum.
constexpr float no_slope = -1e-20f;
dnnl::primitive_attr attributes(const memory::desc& y = {}, bool relu = false, bool adds = false,
                                bool in_place = false) {
  dnnl::primitive_attr a;
  dnnl::post_ops after;
  if (adds && in_place) after.append_sum(1.0f);
  if (adds && !in_place) after.append_binary(dnnl::algorithm::binary_add, y);
  if (relu) after.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, no_slope, 0.0f);
  a.set_post_ops(after);
  a.set_scratchpad_mode(
      dnnl::scratchpad_mode::user);  // our allocator's: oneDNN's own is mapped and cleared at every call
  return a;
}
Tensor scratch_for(const Plan& plan) {
  return empty({static_cast<std::int64_t>(plan.scratch.get_size())}, DType::uint8);
}

Forward::primitive_desc forward_descriptor(const Described& d, bool with_bias,
                                           const dnnl::primitive_attr& attr = attributes()) {
  const auto kind = dnnl::prop_kind::forward_training;
  const auto how = dnnl::algorithm::convolution_direct;
  if (with_bias) {
    return {Forward::desc(kind, how, d.x, d.weight, d.bias, d.y, d.stride, d.dilation, d.before, d.after),
            attr, od::engine()};
  }
  return {Forward::desc(kind, how, d.x, d.weight, d.y, d.stride, d.dilation, d.before, d.after), attr,
          od::engine()};
}

od::Cache<Plan>& plans() {
  thread_local od::Cache<Plan> cache(2048);
  return cache;
}

// The filters in the plan's order and type. In evaluation the same weight comes again and again, in training
// twice a step; a training step's copies of a weight in another type are new every time and not worth
// keeping. The 256 last used are kept a thread, as they were made of weight and scale before these changed.
Tensor reordered(const Plan& plan, od::Key key, const Tensor& weight, const Tensor& scale, DType dtype,
                 bool keep) {
  if (!plan.reorders && weight.dtype() == dtype && !scale.defined()) return weight;
  const auto make = [&] {
    const Tensor stored = (scale.defined() ? scaled(weight, scale) : weight).to(dtype);
    if (!plan.reorders) return stored;
    Tensor bytes = empty({static_cast<std::int64_t>(plan.weight.get_size())}, DType::uint8);
    memory from(plan.weight_as_stored, od::engine(), stored.raw()),
        to(plan.weight, od::engine(), bytes.raw());
    plan.reorder.execute(od::stream(), from, to);
    return bytes;
  };
  if (!keep) return make();
  struct Made {
    std::array<std::uint64_t, 3> of{~0ull};
    Tensor result;
  };
  thread_local od::Cache<Made> cache(256);
  key.insert(key.end(), {static_cast<std::int64_t>(weight.storage().id()), weight.offset()});
  Made& held = cache.get(key, [] { return Made{}; });
  std::array<std::uint64_t, 3> now{weight.version()};
  if (scale.defined()) now = {weight.version(), scale.storage().id(), scale.version()};
  if (held.of != now) {
    held.result = Tensor();  // its memory serves again
    held.result = make();
    held.of = now;
  }
  return held.result;
}

// Filters and biases whose elements lie together, in whatever order.
Tensor dense(const Tensor& t) {
  return !t.defined() || is_dense(t.shape(), t.strides()) ? t : t.contiguous();
}
Tensor nhwc(const Tensor& t) { return t.contiguous(MemoryFormat::channels_last); }
memory over(const memory::desc& desc, const void* data) {
  return memory(desc, od::engine(), const_cast<void*>(data));
}

}  // namespace

// There are no fp16 kernels. bf16 has them where its products are cheaper than fp32's: twice as fast on AMD's
// processors since Zen 4, sixteen times with matrix instructions (AMX). On Intel's without those a product is
// no cheaper, and packing its operands costs.
double onednn_speed(DType dtype) {
#if defined(__x86_64__)
  static const bool matrix_unit = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core_amx,
                    pairs = onednn::supports(DType::bf16) && __builtin_cpu_is("amd");
  if (dtype == DType::bf16) return matrix_unit ? 16 : pairs ? 2 : 1;
#endif
  return 1;
}
bool onednn_widens(const Tensor& x) {
  return x.dtype() == DType::fp16 || (x.dtype() == DType::bf16 && onednn_speed(DType::bf16) == 1);
}

bool onednn_takes(const Tensor& x) {
  return backend() == Backend::best &&
         (x.dtype() == DType::fp32 || x.dtype() == DType::bf16 || x.dtype() == DType::fp16);
}

void conv_forward_onednn(const ConvSizes& z, const Tensor& x_any, const Tensor& weight_any,
                         const Tensor& scale, const Tensor& bias_any, const ConvTail& tail, Tensor& y,
                         bool keep_filters) try {
  const Tensor weight = dense(weight_any), bias = dense(bias_any);
  const bool adds = tail.addend.defined(), in_place = adds && tail.addend.same_as(y);
  od::Key key = key_of(0, z, weight, bias.defined());
  key.push_back(tail.relu + 2 * adds + 4 * in_place);
  const Described d = describe(z, weight, x_any.dtype(), bias.defined());
  const Plan& plan = plans().get(key, [&] {
    const auto descriptor = [&](bool in_y) {
      return forward_descriptor(d, bias.defined(), attributes(d.y, tail.relu, adds, in_y));
    };
    const auto on_matrix_unit = [](const auto& pd) {
      return std::string(pd.impl_info_str()).find("amx") != std::string::npos;
    };
    auto pd = descriptor(in_place);
    const bool copies = adds && !in_place && !on_matrix_unit(pd) && on_matrix_unit(descriptor(true));
    if (copies) pd = descriptor(true);
    Plan made = plan_for(d, pd, pd.weights_desc(), true);
    made.copies = copies;
    return made;
  });
  const Tensor x = nhwc(x_any), addend = adds ? nhwc(tail.addend) : Tensor(),
               filters = reordered(plan, key, weight, scale, x_any.dtype(),
                                   keep_filters && weight.same_as(weight_any));
  std::unordered_map<int, memory> args{{DNNL_ARG_SRC, over(d.x, x.raw())},
                                       {DNNL_ARG_WEIGHTS, over(plan.weight, filters.raw())},
                                       {DNNL_ARG_DST, over(d.y, y.raw())}};
  const Tensor scratch = scratch_for(plan);
  args.emplace(DNNL_ARG_SCRATCHPAD, over(plan.scratch, scratch.raw()));
  if (bias.defined()) args.emplace(DNNL_ARG_BIAS, over(d.bias, bias.raw()));
  if (plan.copies) y.copy_(addend);
  if (adds && !in_place && !plan.copies)
    args.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, over(d.y, addend.raw()));
  plan.run.execute(od::stream(), args);
  od::stream().wait();
} catch (const dnnl::error& error) {
  onednn::rethrow("conv2d", error);
}

Tensor conv_data_gradient_onednn(const ConvSizes& z, const Tensor& dy_any, const Tensor& weight_any,
                                 const Tensor& x, bool keep_filters) try {
  const Tensor weight = dense(weight_any);
  const od::Key key = key_of(1, z, weight, false);
  const Described d = describe(z, weight, weight.dtype(), false);
  const Plan& plan = plans().get(key, [&] {
    const BackwardData::primitive_desc pd(
        BackwardData::desc(dnnl::algorithm::convolution_direct, d.x, d.weight, d.y, d.stride, d.dilation,
                           d.before, d.after),
        attributes(), od::engine(), forward_descriptor(d, false));
    return plan_for(d, pd, pd.weights_desc(), true);
  });
  const Tensor dy = nhwc(dy_any), filters = reordered(plan, key, weight, {}, weight.dtype(),
                                                      keep_filters && weight.same_as(weight_any));
  Tensor dx = empty(x.shape(), x.dtype(), cpu, MemoryFormat::channels_last);
  const Tensor scratch = scratch_for(plan);
  plan.run.execute(od::stream(), {{DNNL_ARG_DIFF_DST, over(d.y, dy.raw())},
                                  {DNNL_ARG_WEIGHTS, over(plan.weight, filters.raw())},
                                  {DNNL_ARG_SCRATCHPAD, over(plan.scratch, scratch.raw())},
                                  {DNNL_ARG_DIFF_SRC, over(d.x, dx.raw())}});
  od::stream().wait();
  return dx;
} catch (const dnnl::error& error) {
  onednn::rethrow("conv2d backward", error);
}

Tensor conv_filter_gradient_onednn(const ConvSizes& given, const Tensor& dy_any, const Tensor& x_full,
                                   const Tensor& weight) try {
  // A strided 1x1 sees only every second pixel. oneDNN copies those itself, into scratch memory that it sizes
  // too small for few channels (2.6.3 and 3.13 alike: it writes past the end), so they are copied here.
  ConvSizes z = given;
  Tensor x_any = x_full;
  const Conv2dOptions& o = given.options;
  if (z.r == 1 && z.s == 1 && z.before == Pair(0) && z.after == Pair(0) && o.stride != Pair(1)) {
    x_any = x_full.slice(2, 0, (z.p - 1) * o.stride.h + 1, o.stride.h)
                .slice(3, 0, (z.q - 1) * o.stride.w + 1, o.stride.w);
    z.h = z.p;
    z.w = z.q;
    z.options.stride = 1;
  }
  const Tensor dw = empty_like(weight);  // dense, whatever the weight is
  const od::Key key = key_of(2, z, dw, false);
  const Described d = describe(z, dw, dw.dtype(), false);
  const Plan& plan = plans().get(key, [&] {
    const BackwardWeights::primitive_desc pd(
        BackwardWeights::desc(dnnl::algorithm::convolution_direct, d.x, d.weight, d.y, d.stride, d.dilation,
                              d.before, d.after),
        attributes(), od::engine(), forward_descriptor(d, false));
    return plan_for(d, pd, pd.diff_weights_desc(), false);
  });
  const Tensor dy = nhwc(dy_any), x = nhwc(x_any);
  const Tensor own =
      plan.reorders ? empty({static_cast<std::int64_t>(plan.weight.get_size())}, DType::uint8) : dw;
  memory result = over(plan.weight, own.raw());
  const Tensor scratch = scratch_for(plan);
  plan.run.execute(od::stream(), {{DNNL_ARG_SRC, over(d.x, x.raw())},
                                  {DNNL_ARG_DIFF_DST, over(d.y, dy.raw())},
                                  {DNNL_ARG_SCRATCHPAD, over(plan.scratch, scratch.raw())},
                                  {DNNL_ARG_DIFF_WEIGHTS, result}});
  if (plan.reorders) {
    memory as_stored = over(d.weight_as_stored, dw.raw());
    plan.reorder.execute(od::stream(), result, as_stored);
  }
  od::stream().wait();
  return dw;
} catch (const dnnl::error& error) {
  onednn::rethrow("conv2d backward", error);
}

#else

bool onednn_takes(const Tensor&) { return false; }
bool onednn_widens(const Tensor&) { return false; }
double onednn_speed(DType) { return 1; }
void conv_forward_onednn(const ConvSizes&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                         const ConvTail&, Tensor&, bool) {}
Tensor conv_data_gradient_onednn(const ConvSizes&, const Tensor&, const Tensor&, const Tensor&, bool) {
  return {};
}
Tensor conv_filter_gradient_onednn(const ConvSizes&, const Tensor&, const Tensor&, const Tensor&) {
  return {};
}

#endif

}  // namespace gadolin::detail
