// Between plain values and tensors, for answer.cpp.
#pragma once

#include "course/grader/values.h"
#include "tensor/tensor.h"

namespace gadolin::course {

Tensor tensor_of(const Array& array, DType dtype = DType::fp64);
// Walks shape and strides index by index and looks at the storage's size before each read, so a wrong view
// gives wrong numbers or this error, never a wild read: std::out_of_range "element [1, 2] lies outside the
// storage". Undefined tensors give an empty array of shape [-1].
Array array_of(const Tensor& tensor);
DType dtype_named(const std::string& name);  // "fp32"
inline std::vector<std::int64_t> vector_of(const Shape& shape) { return {shape.begin(), shape.end()}; }
inline Shape shape_of(const std::vector<std::int64_t>& sizes) { return Shape(sizes); }

}  // namespace gadolin::course
