#include "apps/run/judges.h"

#include "tasks/inputs.h"

namespace gadolin {

Judges::Judges(const Session& session, const std::string& checkpoint, const std::vector<std::string>& more,
               const std::string& views) {
  const std::vector<View> seen = views_from(views);
  if (more.empty() && seen.size() == 1 && seen[0] == View::identity) {
    one_ = std::make_unique<Predictor>(load_task(checkpoint, session.device()),
                                       PredictorOptions{.compute = session.compute()});
    name_ = task().model();
    return;
  }
  std::vector<std::string> all{checkpoint};
  all.insert(all.end(), more.begin(), more.end());
  several_ = panel_of(all, seen, session.device(), session.compute());
  name_ = cat(task().model(), ", ", all.size(), all.size() == 1 ? " net" : " nets", ", views ", views);
}

Predict Judges::predict(const Dataset& set, const LoaderOptions& load, const std::string& label) {
  if (several_) return several_->over(set, load, label);
  return [this](const Batch& batch) { return one_->run(batch); };
}

Outputs Judges::one(const Dataset& set, std::int64_t i, Device device) {
  if (several_) return several_->one(set, i, device);
  return one_->run(one_->task().one(set, i, device));
}

}  // namespace gadolin
