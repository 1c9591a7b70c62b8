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
                         GradientReduction reduction)
    : communicator_(communicator), parameters_(std::move(parameters)), reduction_(reduction),
      hook_(tensors_of(parameters_), [this](std::size_t i, const Tensor&) { told(i); }) {
  bucket_of_.assign(parameters_.size(), nowhere);
  has_.assign(parameters_.size(), 0);
  require<UsageError>(reduction.bucket_bytes > 0, "gradient sum: buckets of ", reduction.bucket_bytes,
                      " bytes hold nothing; use 25 MB");
  require<UsageError>(reduction.dtype == DType::fp32 || reduction.dtype == DType::bf16,
                      "gradient sum: gradients are not sent as ", reduction.dtype, "; use fp32 or bf16");
}

// How many ranks have a gradient of each parameter; those that had none so far get a bucket.
std::vector<std::int64_t> GradientSum::agree() {
  const Tensor had = zeros({static_cast<std::int64_t>(parameters_.size())}, DType::int64);
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    had.data<std::int64_t>()[i] =
        has_[i] || (bucket_of_[i] == nowhere && parameters_[i].tensor.grad().defined());
  communicator_.sum(had);
  std::vector<std::size_t> group;
  std::int64_t bytes = 0;
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    if (had.data<std::int64_t>()[i] == 0 || bucket_of_[i] != nowhere) continue;
    group.push_back(i);
    bytes += parameters_[i].tensor.nbytes();
    if (bytes < reduction_.bucket_bytes) continue;
    add_bucket(group);
    group.clear();
    bytes = 0;
  }
  if (!group.empty()) add_bucket(group);
  agreed_ = true;
  return had.to_vector<std::int64_t>();
}

void GradientSum::add_bucket(const std::vector<std::size_t>& group) {
  Bucket& bucket = buckets_.emplace_back();
  std::int64_t size = 0;
  std::vector<std::int64_t> offsets;
  for (const std::size_t i : group) {
    offsets.push_back(size);
    size += (parameters_[i].tensor.numel() + pack_elements - 1) / pack_elements * pack_elements;
  }
  const Tensor& any = parameters_[group[0]].tensor;
  bucket.flat = zeros({size}, any.dtype(), any.device());
  bucket.sent = bucket.flat;
  if (reduction_.dtype == DType::bf16 && any.dtype() == DType::fp32)
    bucket.sent = empty({size}, DType::bf16, any.device());
  for (std::size_t k = 0; k < group.size(); ++k) {
    const Tensor& t = parameters_[group[k]].tensor;
    bucket.members.push_back({group[k], bucket.flat.view(t.shape(), t.strides(), offsets[k])});
    bucket_of_[group[k]] = buckets_.size() - 1;
  }
}

std::vector<std::string> GradientSum::unused() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < parameters_.size() && agreed_; ++i)
    if (bucket_of_[i] == nowhere) names.push_back(parameters_[i].name);
  return names;
}

void GradientSum::told(std::size_t parameter) {
  if (!agreed_ || bucket_of_[parameter] == nowhere) return;
  ++buckets_[bucket_of_[parameter]].final;
  for (; next_ < buckets_.size() && buckets_[next_].final == buckets_[next_].members.size(); ++next_)
    begin(buckets_[next_]);
}

void GradientSum::begin(Bucket& bucket) {
  const NoGrad guard;
  for (Member& member : bucket.members) {
    const Tensor& t = parameters_[member.parameter].tensor;
    const Tensor g = t.grad();
    has_[member.parameter] = g.defined();
    if (!g.defined()) {
      member.slice.zero_();
    } else if (g.raw() != member.slice.raw()) {
      member.slice.copy_(g);
    }
    t.set_grad(member.slice.detach());  // what it was is free again
  }
  if (bucket.sent.dtype() != bucket.flat.dtype()) bucket.sent.copy_(bucket.flat);
  communicator_.begin_sum(bucket.sent);
}

void GradientSum::finish() {
  const bool first = !agreed_;
  if (first) agree();
  finish_from(0);
  // Other parts of the net may take part in this step than in the first one, whose batch had no box. A
  // recorded step cannot ask.
  if (!first && parameters_.front().tensor.device().is_cpu()) {
    const std::size_t before = buckets_.size();
    const std::vector<std::int64_t> had = agree();
    finish_from(before);
    for (std::size_t i = 0; i < had.size(); ++i)
      if (had[i] == 0) parameters_[i].tensor.zero_grad();  // left alone, as in one process
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    require<ProcessError>(
        bucket_of_[i] != nowhere || !parameters_[i].tensor.grad().defined(),
        "gradient sum: ", parameters_[i].name,
        " has a gradient now, but had none on any rank in the first step; make a new optimiser when other "
        "parts of the net begin to learn");
  }
  forget();
}

// Sums what is not summed yet, and makes means of the buckets from `first` on.
void GradientSum::finish_from(std::size_t first) {
  for (; next_ < buckets_.size(); ++next_) begin(buckets_[next_]);
  communicator_.finish_sums();
  const NoGrad guard;
  for (std::size_t i = first; i < buckets_.size(); ++i) {
    Bucket& bucket = buckets_[i];
    if (bucket.sent.dtype() != bucket.flat.dtype()) bucket.flat.copy_(bucket.sent);
    bucket.flat.mul_(1.0 / communicator_.size());
  }
}

void GradientSum::forget() {
  next_ = 0;
  for (Bucket& bucket : buckets_) bucket.final = 0;
}

}  // namespace gadolin
