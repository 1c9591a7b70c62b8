#include "apps/run/judges.h"

#include "tasks/committee.h"
#include "tasks/detection/detector_committee.h"
#include "tasks/inputs.h"
#include "tasks/ten_crop.h"
#include "train/checkpoint.h"

namespace gadolin {

Judges::Judges(const Session& session, const std::string& checkpoint, const std::vector<std::string>& more,
               const std::string& views) {
  if (views == "ten-crop") {
    require<UsageError>(more.empty(), "--views ten-crop is of one net, and there are ", more.size() + 1,
                        "; leave it out, or name one checkpoint");
    several_ = std::make_unique<TenCrops>(checkpoint, session.device(), session.compute());
    name_ = task().model() + ", ten crops";
    return;
  }
  const std::vector<View> seen = views_from(views);
  const auto facts = load_checkpoint_facts(checkpoint);
  const auto kind = facts.find("task");
  const bool detector = kind != facts.end() && kind->second == DetectionTask::name;
  if (more.empty() && seen.size() == 1 && seen[0] == View::identity &&
      !(detector && facts.contains("tiles"))) {
    one_ = std::make_unique<Predictor>(load_task(checkpoint, session.device()),
                                       PredictorOptions{.compute = session.compute()});
    name_ = task().model();
    return;
  }
  std::vector<std::string> all{checkpoint};
  all.insert(all.end(), more.begin(), more.end());
  if (detector)
    several_ = std::make_unique<DetectorCommittee>(all, seen, session.device(), session.compute());
  else
    several_ = std::make_unique<Committee>(all, seen, session.device(), session.compute());
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
