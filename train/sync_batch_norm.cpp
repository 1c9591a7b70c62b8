#include "train/sync_batch_norm.h"

#include "layers/norm.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// One message: how many values a channel this process has, and sums of them, [k] each. -> the sums of all,
// and how many there are in front.
std::vector<Tensor> sum_over_all(Communicator& communicator, double values, const std::vector<Tensor>& sums) {
  std::vector<Tensor> parts{full({1}, values, DType::fp64)};
  for (const Tensor& t : sums) parts.push_back(t.to(cpu).to(DType::fp64).flatten());
  const Tensor all = concat(parts, 0);
  communicator.sum(all);
  std::vector<Tensor> summed;
  std::int64_t at = 0;
  for (const Tensor& t : parts) {
    summed.push_back(all.slice(0, at, at + t.numel()));
    at += t.numel();
  }
  return summed;
}

}  // namespace

SyncBatchNorm::SyncBatchNorm(Communicator& communicator, bool counts) {
  if (communicator.alone()) return;
  detail::statistics_of_all = [&communicator, counts](const ChannelStatistics& own, double values) {
    const NoGrad guard;
    const double n = counts ? values : 0;
    const Tensor mean = own.mean.to(cpu).to(DType::fp64), variance = own.variance.to(cpu).to(DType::fp64);
    const std::vector<Tensor> all =
        sum_over_all(communicator, n, {mul(mean, n), mul(add(variance, mul(mean, mean)), n)});
    const double count = all[0].item<double>();
    const Tensor common = div(all[1], count);
    Tensor(own.mean).copy_(common.to(own.mean.dtype()));
    Tensor(own.variance).copy_(relu(sub(div(all[2], count), mul(common, common))).to(own.variance.dtype()));
    return count;
  };
  // Each has sums over its own values through their number; wanted are those over all through that of all.
  // What is spare has no part in the statistics, so nothing comes back to it through them.
  detail::lines_of_all = [&communicator, counts](const Tensor& first, const Tensor& second, double values) {
    const NoGrad guard;
    const double n = counts ? values : 0;
    std::vector<Tensor> lines{first}, sums;
    if (second.defined()) lines.push_back(second);
    for (const Tensor& t : lines) sums.push_back(mul(t.to(cpu).to(DType::fp64), n));
    const std::vector<Tensor> all = sum_over_all(communicator, n, sums);
    const double back = counts ? 1 / all[0].item<double>() : 0;
    for (std::size_t i = 0; i < lines.size(); ++i)
      lines[i].copy_(mul(all[i + 1], back).reshape(lines[i].shape()).to(lines[i].dtype()));
  };
}

SyncBatchNorm::~SyncBatchNorm() { detail::statistics_of_all = nullptr, detail::lines_of_all = nullptr; }

}  // namespace gadolin
