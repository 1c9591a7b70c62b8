#include "apps/run/report_cams.h"

#include <algorithm>
#include <filesystem>

#include "io/atomic_file.h"
#include "tasks/cam.h"
#include "tasks/classification_examples.h"
#include "tasks/inputs.h"
#include "tasks/overlay.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

constexpr double cover = 0.5;  // as gadolin cam --alpha

}  // namespace

Json write_report_cams(Predictor& predictor, const Dataset& set, const ClassificationEvaluator& evaluator,
                       std::size_t each, Device device, const std::string& folder) {
  Json list = Json::array();
  std::filesystem::remove_all(folder);
  const TellingSamples telling = telling_samples(evaluator.predictions(), each);
  std::vector<TellingSample> samples = telling.worst;
  samples.insert(samples.end(), telling.best.begin(), telling.best.end());
  if (samples.empty()) return list;
  make_folders("eval", folder);
  const Pipeline& pipeline = predictor.task().pipeline();
  std::string layer;
  const auto name_of = [&](const TellingSample& s) { return evaluator.predictions().classes[s.cls]; };
  for (const TellingSample& s : samples) {
    try {
      const std::int64_t index = evaluator.indices().at(s.sample);
      const Batch batch = one_sample(set, index, pipeline, device);
      const Tensor heat = predictor.with([&](Task& task) {
        // Among the net's outputs, of which the evaluator leaves those out that were never trained.
        const auto found = std::find(task.classes().begin(), task.classes().end(), name_of(s));
        const int output = static_cast<int>(found - task.classes().begin());
        const auto evidence = [&] { return task.evidence(batch, output); };
        if (layer.empty()) layer = cam_layer(task.net(), evidence);
        return grad_cam(task.net(), evidence, layer).select(0, 0);
      });
      if (!(max(heat).item() > 0)) continue;  // nothing speaks for the class: a finding that was overlooked
      const std::string name = cat(list.size() + 1, ".png");
      write_file_atomically(
          folder + "/" + name,
          thumbnail(overlay(set.image(index), seen_sample(set, index, pipeline), heat, cover)));
      list.push_back({{"sample", s.sample}, {"class", name_of(s)}, {"picture", name}});
    } catch (const Unsupported&) {
      break;  // the report of such a task does without
    } catch (const UsageError&) {
      break;  // a net without a layer of places
    }
  }
  return list;
}

}  // namespace gadolin
