// Rows of numbers, all of one shape.
#include <algorithm>

#include "data/sets/collation.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

class RowDraft : public BatchDraft {
 public:
  RowDraft(const Shape& row, std::int64_t n, int classes) : row_(row), labels_(n, classes) {
    Shape shape{n};
    for (const std::int64_t size : row.vec()) shape.push_back(size);
    x_ = empty_pinned(shape, DType::fp32);
    values_ = x_.data<float>();
  }
  void put(std::int64_t part, const Sample& sample, const SampleUse& use) override {
    const SampleArray& x = sample.get<SampleArray>("x");
    require<DataError>(x.shape == row_ && row_.numel() == std::ssize(x.values),
                       "loader: ", printable(use.name), ": 'x' is ", x.shape, " with ", x.values.size(),
                       " numbers, the first sample's is ", row_);
    std::copy(x.values.begin(), x.values.end(), values_ + part * row_.numel());
    labels_.put(part, sample.get<std::vector<int>>("label"), use);
  }
  std::vector<Tensor> tensors() override { return {std::move(x_), labels_.tensor()}; }

 private:
  Shape row_;
  Tensor x_;
  float* values_;
  detail::LabelBlock labels_;
};

}  // namespace

void RowCollation::learn(const Sample& first, const SampleUse&, DType dtype, Device) {
  require<UsageError>(dtype != DType::uint8, "rows: numbers cannot be uint8; use fp32, bf16 or fp16");
  row_ = first.get<SampleArray>("x").shape;
  dtype_ = dtype;
}

std::unique_ptr<BatchDraft> RowCollation::begin(const std::vector<std::int64_t>& places) const {
  return std::make_unique<RowDraft>(row_, std::ssize(places), classes_);
}

std::vector<Tensor> RowCollation::finish(std::vector<Tensor> tensors) const {
  if (dtype_ != DType::fp32) tensors[0] = tensors[0].to(dtype_);
  return tensors;
}

}  // namespace gadolin
