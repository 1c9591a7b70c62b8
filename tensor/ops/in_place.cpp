// += and its like: the op's result, written over the tensor.
#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

int kind_of(DType dtype) { return is_floating(dtype) ? 2 : dtype == DType::boolean ? 0 : 1; }

}  // namespace

Tensor& Tensor::become(const char* op, const Tensor& result) {
  require<AutogradError, 5>(!result.requires_grad(), op,
                            ": the result would be recorded, and what is on the tape is not changed in place"
                            "; write t = t + x, or work under NoGrad");
  require<DTypeError>(kind_of(result.dtype()) <= kind_of(dtype()), op, ": the result is ", result.dtype(),
                      ", which ", dtype(), " cannot hold; convert with .to(DType::", result.dtype(),
                      ") first");
  require<ShapeError>(result.shape() == shape(), op, ": the result has shape ", result.shape(), ", not ",
                      shape());
  return copy_(result);
}

Tensor& Tensor::operator+=(const Tensor& other) { return become("+=", add(*this, other)); }
Tensor& Tensor::operator-=(const Tensor& other) { return become("-=", sub(*this, other)); }
Tensor& Tensor::operator*=(const Tensor& other) { return become("*=", mul(*this, other)); }
Tensor& Tensor::operator/=(const Tensor& other) { return become("/=", div(*this, other)); }
Tensor& Tensor::operator+=(double number) { return become("+=", add(*this, number)); }
Tensor& Tensor::operator-=(double number) { return become("-=", add(*this, -number)); }
Tensor& Tensor::operator*=(double number) { return become("*=", mul(*this, number)); }
Tensor& Tensor::operator/=(double number) { return become("/=", div(*this, number)); }

}  // namespace gadolin
