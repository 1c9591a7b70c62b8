// What a probe of assignment 5 does when it is asked: divides made-up patients, computes numbers of made-up
// predictions, and looks at small nets.
#include <stdexcept>

#include "course/5/report.h"
#include "course/grader/assignment.h"
#include "course/grader/tensors.h"
#include "data/sets/dataset.h"
#include "data/sets/split.h"
#include "layers/conv.h"
#include "layers/linear.h"
#include "layers/module.h"
#include "layers/pool.h"
#include "tasks/calibration.h"
#include "tasks/cam.h"
#include "tasks/metrics.h"
#include "tasks/temperature.h"
#include "tensor/autograd.h"
#include "tensor/cpu/parallel.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin::course {
namespace {

std::vector<std::uint8_t> bytes_of(const Values& r, const char* name) {
  const std::vector<std::int64_t>& v = integers(r, name);
  return {v.begin(), v.end()};
}
// Patients by number, -1 for a film without one.
std::vector<std::string> patients_of(const Values& r) {
  std::vector<std::string> names;
  for (const std::int64_t p : integers(r, "patient")) names.push_back(p < 0 ? "" : "P" + std::to_string(p));
  return names;
}
Dataset films_of(const Values& r) {
  const std::vector<std::string> patient = patients_of(r);
  const std::vector<std::int64_t>& label = integers(r, "label");
  std::vector<SampleInfo> samples(patient.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].name = "film" + std::to_string(1000 + integers(r, "film").at(i));
    samples[i].patient = patient[i];
    samples[i].labels = {static_cast<int>(label.at(i))};
    if (r.contains("split")) samples[i].split = static_cast<Split>(integers(r, "split").at(i));
  }
  return Dataset({"chest", "hand", "skull"}, false, samples, "");
}

Values split_answer(const Values& r) {
  Dataset films = films_of(r);
  Values answer;
  if (r.contains("split")) {
    std::string said;
    for (const Leak& leak : patient_leaks(films)) said += leak.first + " " + leak.second + "; ";
    return {{"leaks", said}};
  }
  assign_splits(
      films,
      {.train = 0.55, .val = 0.27, .test = 0.18, .seed = static_cast<std::uint64_t>(integer(r, "seed"))});
  std::vector<std::int64_t> sides;
  for (std::int64_t i = 0; i < films.size(); ++i)
    sides.push_back(static_cast<std::int64_t>(films.info(i).split));
  return {{"splits", sides}};
}

Values ranking_answer(const Values& r) {
  const Ranking ranking(array(r, "score").numbers, bytes_of(r, "label"));
  const Array weight = r.contains("weight") ? array(r, "weight") : Array{};
  if (text(r, "of") == "auc") return {{"auc", ranking.auc(weight.numbers)}};
  return {{"average precision", ranking.average_precision(weight.numbers)}};
}
Values bootstrap_answer(const Values& r) {
  const Array& value = array(r, "value");
  const auto share = [&](Reals weight) {
    double sum = 0, all = 0;
    for (std::size_t i = 0; i < weight.size(); ++i) sum += weight[i] * value.numbers[i], all += weight[i];
    return sum / all;
  };
  const Interval i = bootstrap(patients_of(r), share,
                               {.resamples = 200, .seed = static_cast<std::uint64_t>(integer(r, "seed"))});
  return {{"low", i.low}, {"high", i.high}};
}
Values calibration_answer(const Values& r) {
  const Calibration c(array(r, "confidence").numbers, bytes_of(r, "right"));
  if (text(r, "of") == "brier") return {{"brier", c.brier()}};
  return {{"expected error", c.expected_error()}};
}
Values temperature_answer(const Values& r) {
  const Array& z = array(r, "logits");
  if (r.contains("temperature"))
    return {{"probability", Array{z.shape, softmax_at(z.numbers, z.shape.at(1), real(r, "temperature"))}}};
  const Temperature t = fit_temperature(z.numbers, integers(r, "target"), z.shape.at(1));
  return {{"temperature", t.value}, {"loss", t.loss_after}};
}

// A convolution, its mean, a linear layer: the map in closed form is a weighted sum of the convolution's.
Values cam_answer(const Values& r) {
  const Tensor w = tensor_of(array(r, "filters"), DType::fp32), top = tensor_of(array(r, "top"), DType::fp32);
  Conv2d conv(static_cast<int>(w.size(1)), static_cast<int>(w.size(0)),
              {static_cast<int>(w.size(2)), static_cast<int>(w.size(3))}, {.padding = 1, .bias = false});
  Linear linear(static_cast<int>(top.size(1)), static_cast<int>(top.size(0)));
  const auto set = [](Module& m, const Tensor& values) {
    const NoGrad guard;
    for (const Parameter& p : m.parameters()) {
      Tensor t = p.tensor;
      if (p.name == "weight")
        t.copy_(values);
      else
        t.zero_();
    }
  };
  set(conv, w), set(linear, top);
  Sequential net(std::move(conv), ReLU(), GlobalAvgPool2d(), Flatten(), std::move(linear));
  return {{"map", array_of(grad_cam(net, tensor_of(array(r, "x"), DType::fp32),
                                    static_cast<int>(integer(r, "class")), "0"))}};
}

}  // namespace

Values answer_5(const Values& request) {
  set_backend(Backend::reference);
  set_num_threads(1);
  manual_seed(1);
  const std::string& op = text(request, "op");
  if (op == "split") return split_answer(request);
  if (op == "ranking") return ranking_answer(request);
  if (op == "bootstrap") return bootstrap_answer(request);
  if (op == "calibration") return calibration_answer(request);
  if (op == "temperature") return temperature_answer(request);
  if (op == "cam") return cam_answer(request);
  if (op == "report" || op == "demo") return film_report_answer(request);
  throw std::invalid_argument("no op " + op);
}

}  // namespace gadolin::course
