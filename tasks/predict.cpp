#include "tasks/predict.h"

#include <algorithm>

#include "tasks/evaluate.h"
#include "tasks/inputs.h"
#include "tensor/autograd.h"

namespace gadolin {

std::vector<ClassProbability> predict(Task& task, const std::string& picture) {
  const EvaluationMode mode(task.net());
  const NoGrad guard;
  const auto set = file_set({picture}, task.classes());
  const Device device = task.net().parameters().front().tensor.device();
  const std::vector<double> p =
      task.class_probabilities(task.predict(one_sample(*set, 0, task.pipeline(), device)), 0);
  std::vector<ClassProbability> classes;
  for (std::size_t k = 0; k < p.size(); ++k) classes.push_back({task.classes()[k], p[k]});
  std::stable_sort(classes.begin(), classes.end(),
                   [](const auto& a, const auto& b) { return a.probability > b.probability; });
  return classes;
}

std::vector<ClassProbability> predict(const std::string& checkpoint, const std::string& picture,
                                      Device device) {
  return predict(*load_task(checkpoint, device), picture);
}

}  // namespace gadolin
