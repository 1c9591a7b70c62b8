#include "tasks/ten_crop.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <regex>

#include "tasks/committee.h"
#include "tasks/inputs.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {

TenCrops::TenCrops(const std::string& checkpoint, Device device, DType compute)
    : predictor_(
          std::make_unique<Predictor>(load_task(checkpoint, device), PredictorOptions{.compute = compute})),
      task_(&as_classifier(predictor_->task(), checkpoint)) {
  const std::string steps = task_->pipeline().text();
  const std::regex wanted("(^|,)resize:([0-9]{1,5})((?::bicubic)?),center-crop:([0-9]{1,5})(,|$)");
  std::smatch found;
  const bool fits = std::regex_search(steps, found, wanted);
  const int whole = fits ? std::stoi(found[2]) : 0;
  crop_ = fits ? std::stoi(found[4]) : 0;
  require<UsageError>(crop_ > 0 && crop_ < whole, "ten-crop: ", checkpoint, " sees pictures by ", steps,
                      ", which cuts no middle out of a larger picture; use none or hflip");
  wide_ = Pipeline(std::regex_replace(steps, wanted, cat("$1resize:$2$3,center-crop:", whole, "$5")));
}

Outputs TenCrops::views_of(const Batch& wide) {
  const Tensor& images = wide["image"];
  const std::int64_t rest = images.size(2) - crop_, middle = (rest + 1) / 2;
  const std::pair<std::int64_t, std::int64_t> corners[] = {
      {0, 0}, {0, rest}, {rest, 0}, {rest, rest}, {middle, middle}};
  std::vector<Member> members;
  for (const auto& corner : corners) {
    const Tensor crop =
        images.slice(2, corner.first, corner.first + crop_).slice(3, corner.second, corner.second + crop_);
    for (const View view : {View::identity, View::hflip}) {
      Batch turned = wide;
      turned.set("image", seen(crop, view).contiguous());
      members.push_back({.name = cat("crop ", members.size()),
                         .classes = task_->classes(),
                         .logits = predictor_->run(turned)["logits"].to_vector<double>()});
    }
  }
  return joined_logits(members, task_->multi_label());
}

Outputs TenCrops::one(const Dataset& set, std::int64_t i, Device device) {
  return views_of(one_sample(set, i, wide_, device));
}

Predict TenCrops::over(const Dataset& set, const LoaderOptions& options, const std::string& label) {
  const auto loader = task_->loader(set, wide_, options);
  const auto rows = std::make_shared<std::map<std::int64_t, std::vector<float>>>();
  for_each_batch(*loader, label.empty() ? "" : label + " ten views", [&](const Batch& batch) {
    const std::vector<float> logits = views_of(batch)["logits"].to_vector<float>();
    const std::size_t classes = task_->classes().size();
    for (std::size_t n = 0; n < batch.indices.size(); ++n) {
      const auto row = logits.begin() + static_cast<std::ptrdiff_t>(n * classes);
      (*rows)[batch.indices[n]] = {row, row + static_cast<std::ptrdiff_t>(classes)};
    }
  });
  return [rows](const Batch& batch) {
    std::vector<float> logits;
    for (const std::int64_t i : batch.indices)
      logits.insert(logits.end(), rows->at(i).begin(), rows->at(i).end());
    const auto n = static_cast<std::int64_t>(batch.indices.size());
    return Outputs({{"logits", from_vector(logits, {n, std::ssize(logits) / n})}});
  };
}

}  // namespace gadolin
