#include "apps/run/report_strips.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "io/atomic_file.h"
#include "io/text.h"

namespace gadolin {
namespace {

// A series by what is likeliest in it.
struct ToldSeries {
  std::size_t at;  // in the order of the evaluator
  std::size_t cls = 0;
  double most = -1;
};

std::vector<ToldSeries> likeliest_series(const SequenceEvaluator& evaluator) {
  const auto& classes = evaluator.predictions().classes;
  const auto any =
      static_cast<std::size_t>(std::find(classes.begin(), classes.end(), "any") - classes.begin());
  std::vector<ToldSeries> all;
  for (std::size_t s = 0; s < evaluator.indices().size(); ++s) {
    ToldSeries told{s};
    const std::vector<double> p = evaluator.probabilities_of(s);
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (any < classes.size() && i % classes.size() != any) continue;
      if (p[i] > told.most) told = {s, i % classes.size(), p[i]};
    }
    all.push_back(told);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const ToldSeries& a, const ToldSeries& b) { return a.most > b.most; });
  return all;
}

}  // namespace

Json write_report_strips(Predictor& predictor, const SequenceSet& set, const SequenceEvaluator& evaluator,
                         std::size_t count, const SlicePicture& picture, Device device,
                         const std::string& folder) {
  std::filesystem::remove_all(folder);
  make_folders("eval", folder);
  const auto& classes = evaluator.predictions().classes;
  Json list = Json::array();
  for (const ToldSeries& told : likeliest_series(evaluator)) {
    if (list.size() == count) break;
    const std::int64_t index = evaluator.indices()[told.at];
    const auto slices = set.slices(index);
    std::vector<StripSlice> strip;
    std::vector<double> parts, said;
    const Batch batch = predictor.task().one(set, index, device);
    predictor.with([&](Task& task) {
      parts = integrated_gradients(static_cast<SequenceTask&>(task), batch, static_cast<int>(told.cls));
      said = task.predict(batch)["logits"].to_vector<double>();
    });
    double all = 0;
    std::size_t top = 0, likeliest = 0;
    for (std::size_t t = 0; t < slices.size(); ++t) {
      const double p = 1 / (1 + std::exp(-said[t * classes.size() + told.cls]));
      strip.push_back({slices[t].name, p, parts[t]});
      all += std::abs(parts[t]);
      if (std::abs(parts[t]) > std::abs(parts[top])) top = t;
      if (p > strip[likeliest].probability) likeliest = t;
    }
    const bool there = std::any_of(slices.begin(), slices.end(),
                                   [&](const SequenceSlice& s) { return (s.labels >> told.cls & 1) != 0; });
    const std::string says =
        cat(classes[told.cls], ": ", fixed(strip[likeliest].probability, 3), " at slice ", likeliest + 1,
            " of ", slices.size(), "; slice ", top + 1, " carried ",
            fixed(all > 0 ? 100 * std::abs(parts[top]) / all : 0, 0), " %; truth: ", there ? "yes" : "no");
    const std::string name = cat(list.size() + 1, ".png");
    write_png(folder + "/" + name, slice_strip(strip, picture));
    Json one{{"name", set.name(index)}, {"says", says}, {"class", classes[told.cls]}, {"picture", name}};
    for (const StripSlice& s : strip) {
      one["attribution"].push_back(s.attribution);
      one["probability"].push_back(s.probability);
    }
    list.push_back(std::move(one));
  }
  return list;
}

}  // namespace gadolin
