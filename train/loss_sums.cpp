#include "train/loss_sums.h"

#include <algorithm>

#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {

void LossParts::share(const Tensor& factor) {
  const auto times = [&](const Tensor& t) { return mul(t.detach(), factor.to(t.dtype())); };
  total = times(total);
  for (auto& [name, part] : parts) part = times(part);
}

LossSums::LossSums(Device device)
    : total_(zeros({}, DType::fp64, device)), last_(zeros({}, DType::fp64, device)) {}

LossSums::Part& LossSums::add_part(const std::string& name) {
  const auto zero = [&] { return zeros({}, DType::fp64, total_.device()); };
  return parts_.emplace_back(Part{name, zero(), zero()});
}

void LossSums::add(const LossParts& loss, double share, bool first) {
  if (parts_.empty()) {
    for (const auto& [name, value] : loss.parts) add_part(name);
  }
  require<ValueError>(parts_.size() == loss.parts.size(), "train: the loss has ", loss.parts.size(),
                      " parts, before it had ", parts_.size(), "; a task gives the same ones in every step");
  const auto number = [](const Tensor& t) { return t.detach().reshape({}).to(DType::fp64); };
  const auto add_to = [&](Tensor& row, Tensor& step, const Tensor& v) {
    row.add_(v, share);
    if (first)
      step.copy_(share == 1 ? v : mul(v, share));
    else
      step.add_(v, share);
  };
  add_to(total_, last_, number(loss.total));
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const auto& [name, value] = loss.parts[i];
    require<ValueError>(parts_[i].name == name, "train: part ", i, " of the loss is ", name,
                        ", before it was ", parts_[i].name, "; a task gives the same ones in every step");
    add_to(parts_[i].sum, parts_[i].last, number(value));
  }
}

void LossSums::clear() {
  for (const Tensor& sum : sums()) Tensor(sum).zero_();
}

std::vector<Tensor> LossSums::sums() const {
  std::vector<Tensor> all{total_};
  for (const Part& part : parts_) all.push_back(part.sum);
  return all;
}

MetricList LossSums::means(std::int64_t steps) const {
  MetricList list{{"train_loss", total_.item() / static_cast<double>(steps)}};
  for (const Part& part : parts_)
    list.emplace_back("train_" + part.name, part.sum.item() / static_cast<double>(steps));
  return list;
}

MetricList LossSums::last() const {
  MetricList list;
  for (const Part& part : parts_) list.emplace_back(part.name, part.last.item());
  return list;
}

std::map<std::string, Tensor> LossSums::state() const {
  std::map<std::string, Tensor> all{{"loss_sum", total_}};
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const std::string number = std::to_string(i);
    all["part." + std::string(3 - std::min<std::size_t>(number.size(), 3), '0') + number + "." +
        parts_[i].name] = parts_[i].sum;
  }
  return all;
}

void LossSums::load_state(const std::map<std::string, Tensor>& from) {
  const auto total = from.find("loss_sum");
  require<CheckpointError>(total != from.end(),
                           "resume: the checkpoint has no sum of losses; was it written by gadolin train?");
  total_.copy_(total->second);
  parts_.clear();
  for (const auto& [name, sum] : from) {
    if (name.starts_with("part.") && name.size() > 9) add_part(name.substr(9)).sum.copy_(sum);
  }
}

}  // namespace gadolin
