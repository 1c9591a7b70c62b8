#include "apps/mammography/precisions.h"

#include <cmath>

#include "tensor/check.h"

namespace gadolin::mammography {

void say_precisions(Session& session, const DetectionEvaluator& evaluator,
                    const std::vector<std::string>& classes, const VocOptions& options, bool weighted) {
  const VocMetrics m = voc_metrics(evaluator.pictures(), static_cast<int>(classes.size()), options);
  std::int64_t instances = 0;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    instances += m.classes[c].instances;
    session.say(cat(m.classes[c].instances, " instances of class ", classes[c], " with average precision: ",
                    m.classes[c].instances > 0 ? fixed(m.classes[c].ap, 4) : "not defined, no instance"));
  }
  if (instances == 0) {
    session.say("No test instances found.");
    return;
  }
  if (weighted)
    session.say("mAP using the weighted average of precisions among classes: " + fixed(m.weighted_map, 4));
  session.say("mAP: " + fixed(m.map, 4));
  session.metric("mAP", m.map);
  session.metric("weighted_mAP", m.weighted_map);
}

}  // namespace gadolin::mammography
