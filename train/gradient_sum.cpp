#include "train/gradient_sum.h"

#include "tensor/autograd.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::int64_t pack_elements = 8;  // elements; optimisers read and write packs of 32 bytes

std::vector<Tensor> tensors_of(const std::vector<Parameter>& parameters) {
  std::vector<Tensor> tensors;
  for (const Parameter& p : parameters) tensors.push_back(p.tensor);
  return tensors;
}

}  // namespace

GradientSum::GradientSum(Communicator& communicator, std::vector<Parameter> parameters,
                         std::int64_t bucket_bytes)
    : communicator_(communicator), parameters_(std::move(parameters)), bucket_bytes_(bucket_bytes),
      hook_(tensors_of(parameters_), [this](std::size_t i, const Tensor&) { told(i); }) {}

void GradientSum::agree() {
  const Tensor had = zeros({static_cast<std::int64_t>(parameters_.size())}, DType::int64);
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    had.data<std::int64_t>()[i] = parameters_[i].tensor.grad().defined();
  communicator_.sum(had);
  std::vector<std::vector<std::size_t>> groups;
  std::int64_t bytes = bucket_bytes_;
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    if (had.data<std::int64_t>()[i] == 0) continue;
    if (bytes >= bucket_bytes_) {
      groups.emplace_back();
      bytes = 0;
    }
    groups.back().push_back(i);
    bytes += parameters_[i].tensor.nbytes();
  }
  bucket_of_.assign(parameters_.size(), groups.size());
  for (const std::vector<std::size_t>& group : groups) {
    Bucket& bucket = buckets_.emplace_back();
    std::int64_t size = 0;
    const auto place = [&](const Tensor& t) {
      const std::int64_t at = size;
      size += (t.numel() + pack_elements - 1) / pack_elements * pack_elements;
      return at;
    };
    std::vector<std::int64_t> offsets;
    for (const std::size_t i : group) offsets.push_back(place(parameters_[i].tensor));
    const Tensor& any = parameters_[group[0]].tensor;
    bucket.flat = zeros({size}, any.dtype(), any.device());
    for (std::size_t k = 0; k < group.size(); ++k) {
      const Tensor& t = parameters_[group[k]].tensor;
      bucket.members.push_back({group[k], bucket.flat.view(t.shape(), t.strides(), offsets[k])});
      bucket_of_[group[k]] = buckets_.size() - 1;
    }
  }
  agreed_ = true;
}

void GradientSum::told(std::size_t parameter) {
  if (!agreed_ || bucket_of_[parameter] == buckets_.size()) return;
  ++buckets_[bucket_of_[parameter]].final;
  for (; next_ < buckets_.size() && buckets_[next_].final == buckets_[next_].members.size(); ++next_)
    sum(buckets_[next_]);
}

void GradientSum::sum(Bucket& bucket) {
  const NoGrad guard;
  for (Member& member : bucket.members) {
    const Tensor g = parameters_[member.parameter].tensor.grad();
    if (!g.defined()) {
      member.slice.zero_();
    } else if (g.raw() != member.slice.raw()) {
      member.slice.copy_(g);
    }
  }
  communicator_.sum(bucket.flat);
  bucket.flat.mul_(1.0 / communicator_.size());
  for (const Member& member : bucket.members)
    parameters_[member.parameter].tensor.set_grad(member.slice.detach());
}

void GradientSum::finish() {
  if (!agreed_) agree();
  for (; next_ < buckets_.size(); ++next_) sum(buckets_[next_]);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    require<ProcessError>(
        bucket_of_[i] != buckets_.size() || !parameters_[i].tensor.grad().defined(),
        "gradient sum: ", parameters_[i].name,
        " has a gradient now, but had none on any rank in the first step; make a new optimiser when other "
        "parts of the net begin to learn");
  }
  forget();
}

void GradientSum::forget() {
  next_ = 0;
  for (Bucket& bucket : buckets_) bucket.final = 0;
}

}  // namespace gadolin
