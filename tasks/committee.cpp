#include "tasks/committee.h"

#include <algorithm>
#include <cmath>

#include "tasks/evaluate.h"
#include "tasks/inputs.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {

Committee::Committee(const std::vector<std::string>& checkpoints, std::vector<View> views, Device device,
                     DType compute)
    : names_(checkpoints), views_(std::move(views)) {
  require<UsageError>(!checkpoints.empty() && !views_.empty(),
                      "committee: at least one checkpoint and one view are needed");
  for (const std::string& path : checkpoints) {
    predictors_.push_back(
        std::make_unique<Predictor>(load_task(path, device), PredictorOptions{.compute = compute}));
    tasks_.push_back(&as_classifier(predictors_.back()->task(), path));
    require<UsageError>(tasks_.back()->multi_label() == tasks_[0]->multi_label(), "ensemble: ", path,
                        " gives ", tasks_.back()->multi_label() ? "several labels" : "one class",
                        " a sample, ", checkpoints[0], " does not; ", "choose checkpoints of one kind");
  }
}

// One member a view, with the logits of all samples of the batch.
std::vector<Member> Committee::views_of(std::size_t member, const Batch& batch) {
  std::vector<Member> all;
  for (const View view : views_) {
    Batch turned = batch;
    if (view != View::identity) turned.set("image", seen(batch["image"], view).contiguous());
    Member m;
    m.name = names_[member] + (view == View::identity ? "" : cat(" (", view_name(view), ")"));
    m.classes = tasks_[member]->classes();
    m.logits = predictors_[member]->run(turned)["logits"].to_vector<double>();
    all.push_back(std::move(m));
  }
  return all;
}

Outputs joined_logits(const std::vector<Member>& members, bool labels) {
  const Ensemble ensemble = combine(members, {.multi_label = labels});
  std::vector<float> logits;
  logits.reserve(ensemble.probability.size());
  for (const double p : ensemble.probability) {
    const double inside = std::clamp(p, 1e-300, 1.0);
    logits.push_back(static_cast<float>(labels ? std::log(inside) - std::log1p(-std::min(p, 1 - 1e-16))
                                               : std::log(inside)));
  }
  const auto classes = static_cast<std::int64_t>(ensemble.classes.size());
  return Outputs(
      {{"logits", from_vector(logits, {static_cast<std::int64_t>(logits.size()) / classes, classes})}});
}

Outputs Committee::one(const Dataset& set, std::int64_t i, Device device) {
  std::vector<Member> all;
  for (std::size_t k = 0; k < tasks_.size(); ++k) {
    const auto more = views_of(k, one_sample(set, i, tasks_[k]->pipeline(), device));
    all.insert(all.end(), more.begin(), more.end());
  }
  return joined_logits(all, task().multi_label());
}

Predict Committee::over(const Dataset& set, const LoaderOptions& options, const std::string& label) {
  others_.clear();
  said_.clear();
  for (std::size_t k = 1; k < tasks_.size(); ++k) {
    const std::size_t first = others_.size();
    const auto loader = tasks_[k]->loader(set, tasks_[k]->pipeline(), options);
    for_each_batch(*loader, label.empty() ? "" : cat(label, " ", k + 1), [&](const Batch& batch) {
      std::vector<Member> members = views_of(k, batch);
      for (const Member& m : members) {
        const std::size_t classes = m.classes.size();
        for (std::size_t n = 0; n < batch.indices.size(); ++n) {
          const auto row = m.logits.begin() + static_cast<std::ptrdiff_t>(n * classes);
          said_[batch.indices[n]].emplace_back(row, row + static_cast<std::ptrdiff_t>(classes));
        }
      }
      if (others_.size() > first) return;
      for (Member& m : members) {
        m.logits.clear();
        others_.push_back(std::move(m));
      }
    });
  }
  return [this](const Batch& batch) {
    std::vector<Member> all = views_of(0, batch);
    for (std::size_t j = 0; j < others_.size(); ++j) {
      Member m = others_[j];
      for (const std::int64_t i : batch.indices) {
        const std::vector<double>& row = said_.at(i).at(j);
        m.logits.insert(m.logits.end(), row.begin(), row.end());
      }
      all.push_back(std::move(m));
    }
    return joined_logits(all, task().multi_label());
  };
}

}  // namespace gadolin
