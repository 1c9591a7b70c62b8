#include "tasks/detection/froc.h"

#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "tensor/check.h"

namespace gadolin {
namespace {

using detail::no_value;

// A detection that counts: a lesion found for the first time, or a false alarm.
struct FrocEvent {
  double score;
  std::size_t picture;
  bool found;
};

bool hits(const Detection& d, const MarkedBox& lesion, const FrocOptions& options) {
  if (options.same_class && d.box.label != lesion.box.label) return false;
  if (options.hit == FrocOptions::Hit::iou) return intersection_over_union(d.box, lesion.box) >= options.iou;
  const double x = (d.box.x1 + d.box.x2) / 2, y = (d.box.y1 + d.box.y2) / 2;
  return x >= lesion.box.x1 && x <= lesion.box.x2 && y >= lesion.box.y1 && y <= lesion.box.y2;
}

bool is_lesion(const MarkedBox& b) { return !b.crowd && !b.difficult; }

void add_events(std::size_t number, const DetectedPicture& picture, const FrocOptions& options,
                std::vector<FrocEvent>& events) {
  std::vector<char> taken(picture.truth.size(), 0);
  for (const std::size_t k : by_score(picture.found)) {
    const Detection& d = picture.found[k];
    std::size_t best = picture.truth.size();
    double most = -1;
    bool on_something = false;
    for (std::size_t g = 0; g < picture.truth.size(); ++g) {
      const MarkedBox& b = picture.truth[g];
      if (!hits(d, b, options)) continue;
      on_something = true;
      const double iou = intersection_over_union(d.box, b.box);
      if (!is_lesion(b) || taken[g] || iou <= most) continue;
      most = iou;
      best = g;
    }
    if (best < picture.truth.size()) {
      taken[best] = 1;
      events.push_back({d.score, number, true});
    } else if (!on_something) {
      events.push_back({d.score, number, false});
    }
  }
}

class FrocSums {
 public:
  FrocSums(std::span<const DetectedPicture> pictures, const FrocOptions& options) : pictures_(pictures) {
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      add_events(i, pictures[i], options, events_);
      lesions_.push_back(
          static_cast<double>(std::count_if(pictures[i].truth.begin(), pictures[i].truth.end(), is_lesion)));
    }
    std::stable_sort(events_.begin(), events_.end(),
                     [](const FrocEvent& a, const FrocEvent& b) { return a.score > b.score; });
  }

  // A point a distinct score, with a weight a picture.
  std::vector<FrocPoint> curve(Reals weight) const {
    const auto w = [&](std::size_t i) { return weight.empty() ? 1.0 : weight[i]; };
    double lesions = 0, all = 0, normals = 0;
    for (std::size_t i = 0; i < pictures_.size(); ++i) {
      lesions += w(i) * lesions_[i];
      all += w(i);
      if (normal(i)) normals += w(i);
    }
    const auto part = [](double count, double of) { return of > 0 ? count / of : no_value; };
    std::vector<FrocPoint> points;
    double found = 0, alarms = 0, on_normals = 0;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const FrocEvent& e = events_[i];
      (e.found ? found : alarms) += w(e.picture);
      if (!e.found && normal(e.picture)) on_normals += w(e.picture);
      if (i + 1 < events_.size() && events_[i + 1].score == e.score) continue;
      points.push_back({e.score, part(found, lesions), part(alarms, all), part(on_normals, normals)});
    }
    return points;
  }
  bool normal(std::size_t picture) const { return lesions_[picture] == 0; }
  double lesions(std::size_t picture) const { return lesions_[picture]; }
  const std::vector<FrocEvent>& events() const { return events_; }

 private:
  std::span<const DetectedPicture> pictures_;
  std::vector<FrocEvent> events_;  // by falling score
  std::vector<double> lesions_;    // of each picture
};

// At each of rising rates the last point with no more false alarms; sensitivity never falls along the curve.
std::vector<SensitivityAt> at_rates(const std::vector<FrocPoint>& curve, const std::vector<double>& rates,
                                    double FrocPoint::*alarms, bool defined) {
  std::vector<SensitivityAt> all;
  std::size_t next = 0;
  for (const double rate : rates) {
    SensitivityAt at{rate, {defined ? 0 : no_value, {no_value, no_value}}, no_value};
    while (defined && next < curve.size() && curve[next].*alarms <= rate) ++next;
    if (next > 0) {
      at.sensitivity.value = curve[next - 1].sensitivity;
      at.threshold = curve[next - 1].threshold;
    }
    all.push_back(at);
  }
  return all;
}

double mean_of(const std::vector<SensitivityAt>& all) {
  double sum = 0;
  for (const SensitivityAt& s : all) sum += s.sensitivity.value;
  return sum / static_cast<double>(all.size());
}

class FrocReport {
 public:
  FrocReport(std::span<const DetectedPicture> pictures, const FrocOptions& options)
      : pictures_(pictures), options_(options), sums_(pictures, options) {
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const DetectedPicture& p = pictures[i];
      // A name cannot be mistaken for a patient.
      patient_.push_back(p.patient.empty() ? "picture " + std::to_string(i) : "patient " + p.patient);
      out_.normals += sums_.normal(i);
      out_.lesions += static_cast<std::int64_t>(sums_.lesions(i));
      out_.detections += std::ssize(p.found);
    }
    out_.pictures = std::ssize(pictures);
  }

  FrocMetrics make() {
    out_.curve = sums_.curve({});
    rates();
    aucs();
    at_threshold();
    return std::move(out_);
  }

 private:
  // Everything that is read off the curve; one set of resamples gives all intervals.
  void rates() {
    std::vector<double> band;
    constexpr int steps = 80;
    for (int k = 0; k <= steps; ++k) band.push_back(2 * options_.rates.back() * k / steps);
    const std::vector<double> ones(pictures_.size(), 1.0);
    const auto read_off = [&](Reals weight, std::vector<SensitivityAt>& all,
                              std::vector<SensitivityAt>& normal, std::vector<SensitivityAt>& whole) {
      bool lesions = false, normals = false;
      for (std::size_t i = 0; i < pictures_.size(); ++i)
        if (weight[i] > 0) (sums_.normal(i) ? normals : lesions) = true;
      const std::vector<FrocPoint> curve = sums_.curve(weight);
      all = at_rates(curve, options_.rates, &FrocPoint::false_per_picture, lesions);
      normal = at_rates(curve, options_.rates, &FrocPoint::false_per_normal, lesions && normals);
      whole = at_rates(curve, band, &FrocPoint::false_per_picture, lesions);
    };
    read_off(ones, out_.over_all, out_.over_normals, out_.band);
    out_.mean_sensitivity = {mean_of(out_.over_all), {no_value, no_value}};
    out_.mean_sensitivity_normals = {mean_of(out_.over_normals), {no_value, no_value}};
    if (options_.bootstrap.resamples == 0 || out_.lesions == 0) return;
    const std::vector<Interval> intervals = bootstrap_all(
        patient_,
        [&](Reals weight) {
          std::vector<SensitivityAt> all, normal, whole;
          read_off(weight, all, normal, whole);
          std::vector<double> values{mean_of(all), mean_of(normal)};
          for (const auto* list : {&all, &normal, &whole})
            for (const SensitivityAt& s : *list) values.push_back(s.sensitivity.value);
          return values;
        },
        options_.bootstrap);
    out_.mean_sensitivity.interval = intervals[0];
    out_.mean_sensitivity_normals.interval = intervals[1];
    std::size_t k = 2;
    for (auto* list : {&out_.over_all, &out_.over_normals, &out_.band})
      for (SensitivityAt& s : *list) s.sensitivity.interval = intervals[k++];
  }

  // What belongs together, by its name, of one patient: the largest score, lesion or none. Pictures without a
  // name belong to nothing.
  struct Groups {
    std::vector<std::string> patient;
    std::vector<double> score;
    std::vector<std::uint8_t> label;
  };
  template <class F> Groups grouped(const F& name_of) const {
    Groups groups;
    std::unordered_map<std::string, std::size_t> place;
    for (std::size_t i = 0; i < pictures_.size(); ++i) {
      const std::string name = name_of(i);
      if (name.empty()) continue;
      const auto [at, fresh] = place.try_emplace(name, groups.score.size());
      if (fresh) {
        groups.patient.push_back(patient_[i]);
        groups.score.push_back(-std::numeric_limits<double>::infinity());  // silent
        groups.label.push_back(0);
      }
      double& best = groups.score[at->second];
      for (const Detection& d : pictures_[i].found) best = std::max(best, d.score);
      if (!sums_.normal(i)) groups.label[at->second] = 1;
    }
    return groups;
  }
  Share auc_of(const Groups& groups) const {
    const Ranking ranking(groups.score, groups.label);
    Share auc{ranking.auc(), {no_value, no_value}};
    if (!std::isnan(auc.value) && options_.bootstrap.resamples > 0)
      auc.interval = bootstrap(
          groups.patient, [&](Reals w) { return ranking.auc(w); }, options_.bootstrap);
    return auc;
  }

  void aucs() {
    out_.picture_auc = auc_of(grouped([](std::size_t i) { return std::to_string(i); }));
    out_.patient_auc = auc_of(grouped([&](std::size_t i) { return patient_[i]; }));
    const Groups breasts = grouped([&](std::size_t i) { return pictures_[i].breast; });
    out_.breast_auc = auc_of(breasts);
    out_.breasts = std::ssize(breasts.score);
    out_.without_breast =
        std::ranges::count_if(pictures_, [](const DetectedPicture& p) { return p.breast.empty(); });
  }

  void at_threshold() {
    std::vector<char> found(pictures_.size(), 0);
    double alarms = 0, on_normals = 0;
    for (const FrocEvent& e : sums_.events()) {
      if (!(e.score >= options_.threshold)) break;
      if (e.found) {
        found[e.picture] = 1;
      } else {
        ++alarms;
        on_normals += sums_.normal(e.picture);
      }
    }
    std::map<std::string, std::uint8_t> cases;
    std::vector<std::string> names, normal_patients;
    std::vector<std::uint8_t> right, silent;
    for (std::size_t i = 0; i < pictures_.size(); ++i) {
      if (!sums_.normal(i)) {
        std::uint8_t& hit = cases.try_emplace(patient_[i], std::uint8_t{0}).first->second;
        hit = hit || found[i];
        continue;
      }
      const auto& all = pictures_[i].found;
      normal_patients.push_back(patient_[i]);
      silent.push_back(std::none_of(all.begin(), all.end(),
                                    [&](const Detection& d) { return d.score >= options_.threshold; }));
    }
    for (const auto& [name, hit] : cases) {
      names.push_back(name);
      right.push_back(hit);
    }
    out_.case_sensitivity = share(names, right);
    out_.specificity = share(normal_patients, silent);
    out_.alarms_per_picture = out_.pictures > 0 ? alarms / static_cast<double>(out_.pictures) : no_value;
    out_.alarms_per_normal = out_.normals > 0 ? on_normals / static_cast<double>(out_.normals) : no_value;
  }
  Share share(const std::vector<std::string>& patient, const std::vector<std::uint8_t>& right) const {
    if (options_.bootstrap.resamples > 0) return share_by_patient(patient, right, options_.bootstrap);
    double sum = 0;
    for (const std::uint8_t r : right) sum += r;
    return {right.empty() ? no_value : sum / static_cast<double>(right.size()), {no_value, no_value}};
  }

  std::span<const DetectedPicture> pictures_;
  const FrocOptions& options_;
  FrocSums sums_;
  std::vector<std::string> patient_;
  FrocMetrics out_;
};

}  // namespace

std::string breasts_text(const FrocMetrics& m, const char* pictures) {
  const std::string rest = cat(" (", pictures, " of unknown side left out: ", m.without_breast, ")");
  return cat("AUC of ", m.breasts, " breasts", m.without_breast > 0 ? rest : "");
}

FrocMetrics froc(std::span<const DetectedPicture> pictures, int classes, const FrocOptions& options) {
  check_detections(pictures, classes);
  double before = 0;
  for (const double rate : options.rates) {
    require<ValueError>(rate > before && std::isfinite(rate), "froc: rates do not rise above 0: ", rate,
                        " after ", before);
    before = rate;
  }
  require<ValueError>(!options.rates.empty(), "froc: there are no rates");
  return FrocReport(pictures, options).make();
}

}  // namespace gadolin
