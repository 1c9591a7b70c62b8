// Made-up chest films in memory, and small nets that learn from them in a fraction of a second.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "apps/chestxray/nih_table.h"
#include "apps/chestxray/synth_chest.h"
#include "data/sets/loader.h"
#include "layers/conv.h"
#include "layers/linear.h"
#include "layers/loss.h"
#include "layers/pool.h"
#include "tasks/metrics.h"
#include "train/optimizer.h"

namespace gadolin::test {

// Splits as the made-up lists say: train and, of the last fifth of the patients, test.
class ChestPictures : public Dataset {
 public:
  explicit ChestPictures(const chestxray::SynthChestOptions& options)
      : Dataset({chestxray::nih_labels().begin(), chestxray::nih_labels().end()}, true, {}, "") {
    std::vector<SampleInfo> infos;
    auto films = std::make_shared<std::vector<chestxray::SynthChestFilm>>();
    for (int p = 1; p <= options.patients; ++p)
      for (auto& film : chestxray::synth_chest_patient(options, p)) {
        SampleInfo info;
        info.name = film.image();
        info.patient = std::to_string(p);
        info.split = film.test ? Split::test : Split::train;
        info.record = std::ssize(*films);
        for (const auto& sign : film.signs) info.labels.push_back(sign.label);
        infos.push_back(std::move(info));
        films->push_back(std::move(film));
      }
    own_samples() = std::move(infos);
    films_ = std::move(films);
  }
  StoredImage read(std::int64_t i) const override { return {{}, film(i).pixels}; }
  const chestxray::SynthChestFilm& film(std::int64_t i) const {
    return (*films_)[static_cast<std::size_t>(info(i).record)];
  }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::make_unique<ChestPictures>(*this); }

 private:
  std::shared_ptr<const std::vector<chestxray::SynthChestFilm>> films_;
};

// Trains all findings at once; only `learning` parameters change.
inline void teach(Layer& net, const std::vector<Parameter>& learning, const Dataset& set,
                  const std::string& steps, int epochs, double lr = 3e-3) {
  DataLoader loader(set, Pipeline(steps), {.batch_size = 32, .shuffle = true, .workers = 0, .seed = 1});
  Optimizer optimizer(learning, {.rule = Rule::adam, .lr = lr});
  for (int epoch = 0; epoch < epochs; ++epoch)
    for (const Batch& batch : loader) {
      optimizer.zero_grad();
      const Tensor loss = binary_cross_entropy_with_logits(net(batch["image"]), batch["label"]);
      loss.backward();
      optimizer.step();
    }
}

// A logit a film and label.
inline std::vector<std::vector<double>> answers(Layer& net, const Dataset& set, const std::string& steps) {
  const NoGrad guard;
  net.eval();
  DataLoader loader(set, Pipeline(steps), {.batch_size = 64, .workers = 0});
  std::vector<std::vector<double>> rows;
  const std::size_t k = set.classes().size();
  for (const Batch& batch : loader) {
    const std::vector<double> flat = net(batch["image"]).to_vector<double>();
    for (std::size_t at = 0; at < flat.size(); at += k)
      rows.emplace_back(flat.begin() + static_cast<std::ptrdiff_t>(at),
                        flat.begin() + static_cast<std::ptrdiff_t>(at + k));
  }
  net.train();
  return rows;
}

inline bool has_label(const Dataset& set, std::int64_t i, int label) {
  return std::ranges::count(set.info(i).labels, label) > 0;
}

// The area of one label; of `among`, when given, only films with that label or this one, but not both.
inline double area_of(const std::vector<std::vector<double>>& rows, const Dataset& set, int label,
                      int among = -1) {
  std::vector<double> score;
  std::vector<std::uint8_t> there;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const bool has = has_label(set, i, label);
    if (among >= 0 && has == has_label(set, i, among)) continue;
    const auto& row = rows[static_cast<std::size_t>(i)];
    score.push_back(row[static_cast<std::size_t>(label)] -
                    (among >= 0 ? row[static_cast<std::size_t>(among)] : 0));
    there.push_back(has);
  }
  return Ranking(score, there).auc();
}

}  // namespace gadolin::test
