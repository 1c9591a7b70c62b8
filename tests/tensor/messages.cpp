// Messages of tensor/ that no op's own test provokes, word for word. tests/layering/messages.cpp finds those
// without a test.
#include <gtest/gtest.h>

#include "tensor/allocator.h"
#include "tensor/function.h"
#include "tensor/ops.h"
#include "tests/scratch.h"

#ifdef GADOLIN_ONEDNN
#include "tensor/onednn.h"
#endif

namespace gadolin {
namespace {

using test::message_of;

TEST(TensorMessages, Shapes) {
  EXPECT_EQ(message_of<ShapeError>([] {
              Shape s;
              for (int i = 0; i < 9; ++i) s.push_back(1);
            }),
            "shape: more than 8 dimensions");
  EXPECT_EQ(message_of<ShapeError>([] {
              zeros({4, 5}).shape()[-3];
            }),
            "shape: dimension -3 is outside [4, 5], which has 2");
  EXPECT_THROW(zeros({4, 5}).shape()[2], ShapeError);
  EXPECT_EQ(zeros({4, 5}).shape()[-2], 4);
  EXPECT_THROW(Shape()[0], ShapeError);
  EXPECT_EQ(message_of<ShapeError>([] {
              from_vector<float>({1, 2}, {3});
            }),
            "from_vector: 2 values do not fill shape [3]");
  EXPECT_EQ(message_of<ShapeError>([] {
              zeros({2}).copy_(zeros({2, 2}));
            }),
            "copy_: source [2, 2] does not fit into [2]");
  EXPECT_EQ(message_of<ShapeError>([] { zeros({2}).add_(zeros({3})); }),
            "add_: [2] and [3] must have the same shape");
  EXPECT_EQ(message_of<ShapeError>([] { relu(zeros({3}).requires_grad_()).backward(ones({2})); }),
            "backward: seed has shape [2], the tensor [3]");
}

TEST(TensorMessages, HintBeginsInTheSourceNotInAName) {
  const std::string odd = "scans; old/a; b.png", composed = cat("x.png is damaged", "; copy it again");
  const auto parts = [](const auto& f) {
    try {
      f();
    } catch (const Error& error) {
      return std::pair{error.message(), error.hint()};
    }
    return std::pair{std::string(), std::string()};
  };
  using Two = std::pair<std::string, std::string>;
  EXPECT_EQ(parts([&] { fail<FileError>("read: ", odd, " is cut; copy it again"); }),
            (Two{"read: scans; old/a; b.png is cut", "copy it again"}));
  EXPECT_EQ(parts([&] { fail<FileError>(composed); }), (Two{"x.png is damaged", "copy it again"}));
  EXPECT_EQ(parts([&] {
              try {
                fail<ValueError>("add: ", odd, "; mend it");
              } catch (Error& error) {
                error.add_place("stem");
                throw;
              }
            }),
            (Two{"stem: add: scans; old/a; b.png", "mend it"}));
}

TEST(TensorMessages, Types) {
  EXPECT_EQ(message_of<DTypeError>([] { var(zeros({3}, DType::int64)); }),
            "var: int64 is not supported; convert with .to(DType::fp32)");
#ifdef GADOLIN_ONEDNN
  EXPECT_EQ(message_of<DTypeError>([] { onednn::type_of(DType::fp64); }), "onednn: fp64 has no kernels here");
  EXPECT_EQ(message_of<OutOfMemory>(
                [] { onednn::rethrow("conv2d", dnnl::error(dnnl_out_of_memory, "no memory")); }),
            "conv2d: oneDNN is out of memory; use a smaller batch");
  EXPECT_EQ(message_of<Unsupported>(
                [] { onednn::rethrow("conv2d", dnnl::error(dnnl_unimplemented, "no such kernel")); }),
            "conv2d: oneDNN refused (no such kernel); try --backend reference");
#endif
}

// Functions that break their contracts.
struct WrongGradient {
  static constexpr auto name = "wrong";
  Shape shape(const Tensor& x) const { return x.shape(); }
  void save(const Tensor&, const Tensor&) {}
  void forward(Cpu, const Tensor& x, Tensor& y) const { y.copy_(x); }
  Grads backward(const Tensor&, Need) const { return {zeros({7})}; }
};
struct NowhereFunction {
  static constexpr auto name = "nowhere";
  Shape shape(const Tensor& x) const { return x.shape(); }
  void save(const Tensor&, const Tensor&) {}
};

TEST(TensorMessages, Tape) {
  EXPECT_EQ(message_of<ValueError>([] { relu(Tensor()); }), "relu: input 0 is undefined");
  EXPECT_EQ(message_of<Unsupported>([] { apply(NowhereFunction{}, zeros({2})); }),
            "nowhere: not available on cpu; run this part on the gpu");
  EXPECT_EQ(
      message_of<AutogradError>([] { sum(apply(WrongGradient{}, zeros({2}).requires_grad_())).backward(); }),
      "wrong backward: gradient of input 0 is fp32 [7] on cpu, but the input is fp32 [2] on cpu");
  EXPECT_EQ(message_of<AutogradError>([] { relu(zeros({2}).requires_grad_()).set_data(zeros({2})); }),
            "set_data: the tensor is the result of relu, not a leaf");
}

TEST(TensorMessages, Memory) {
  CachingAllocator full({"nothing", [](std::size_t) -> void* { return nullptr; }, [](void*, std::size_t) {},
                         [](void*, int, std::size_t) {}, [](void*, const void*, std::size_t) {}});
  EXPECT_EQ(message_of<OutOfMemory>([&] { full.allocate(3 << 20); }),
            "out of memory on nothing, needs 3.0 MiB, 0 B in use, 0 B held free in pieces; use a smaller "
            "batch, --dtype bf16 or gradient "
            "accumulation");
#ifndef GADOLIN_CUDA
  EXPECT_EQ(message_of<DeviceError>([] { allocator(cuda); }),
            "allocate: cuda:0 is not available; this build has no CUDA");
#endif
}

}  // namespace
}  // namespace gadolin
