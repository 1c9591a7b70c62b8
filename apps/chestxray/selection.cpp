#include "apps/chestxray/selection.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "data/sets/sampler_cut.h"
#include "tensor/check.h"

namespace gadolin::chestxray {
namespace {

constexpr std::uint64_t visit_purpose = 0x7669736974, share_purpose = 0x7368617265,
                        order_purpose = 0x6361706f72646572;

// The classes of a sample; having none is one class more.
std::vector<int> labels_with_none(const SampleSource& source, std::int64_t i) {
  std::vector<int> labels = source.labels(i);
  if (labels.empty()) labels.push_back(source.num_classes());
  return labels;
}

std::vector<std::int64_t> chosen_by_cap(const SampleSource& source, const CapOptions& o,
                                        std::uint64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(source.size()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  RandomStream random(o.seed, stream_id(visit_purpose, epoch));
  shuffle(order, random);
  constexpr std::int64_t unseen = -1;  // not the same as 0: the first film of a single label is not taken
  std::vector<std::int64_t> count(static_cast<std::size_t>(source.num_classes()) + 1, unseen), chosen;
  for (const std::int64_t i : order) {
    const std::vector<int> labels = labels_with_none(source, i);
    const auto of = [&](int label) -> std::int64_t& { return count[static_cast<std::size_t>(label)]; };
    const bool free = std::ranges::count(labels, o.exempt) > 0;
    if (!free && !std::ranges::all_of(labels, [&](int label) { return of(label) < o.cap; })) continue;
    const bool first_alone = !free && labels.size() == 1 && of(labels[0]) == unseen;
    for (const int label : labels) of(label) = std::max<std::int64_t>(of(label), 0) + 1;
    if (!first_alone) chosen.push_back(i);
  }
  return chosen;
}

class CapSampler : public detail::Cut {
 public:
  CapSampler(const SampleSource& source, const CapOptions& options, std::int64_t first, BatchCut cut)
      : Cut(source.size(), first, cut), source_(source), options_(options) {}

 protected:
  std::vector<std::int64_t> places(std::uint64_t seed, std::int64_t epoch) const override {
    std::vector<std::int64_t> train = cap_selection(source_, options_, epoch).train;
    RandomStream random(seed, stream_id(order_purpose, static_cast<std::uint64_t>(epoch)));
    shuffle(train, random);
    const std::size_t found = train.size(), wanted = static_cast<std::size_t>(draws());
    require<DataError>(found > 0, "cap: epoch ", epoch,
                       " has no films to learn from; raise the cap or give more films");
    train.resize(wanted);
    for (std::size_t k = found; k < wanted; ++k) train[k] = train[k - found];
    return train;
  }

 private:
  const SampleSource& source_;
  CapOptions options_;
};

// Samples of the same labels: these, and how many.
struct LabelSet {
  std::vector<int> labels;
  double samples = 0, weight = 1;
};

// Mean 1 over all samples, each within 1/most to most: times a factor, then cut off.
void settle_weights(std::vector<LabelSet>& sets, double most) {
  double samples = 0, sum = 0;
  for (const LabelSet& s : sets) {
    samples += s.samples;
    sum += s.samples * s.weight;
  }
  const auto cut = [&](double factor, const LabelSet& s) {
    return std::clamp(factor * s.weight, 1 / most, most);
  };
  double factor = samples / sum;
  const auto inside = [&](const LabelSet& s) {
    return factor * s.weight >= 1 / most && factor * s.weight <= most;
  };
  if (!std::ranges::all_of(sets, inside)) {
    double low = std::log(factor) - 60, high = std::log(factor) + 60;
    for (int halving = 0; halving < 60; ++halving) {
      factor = std::exp((low + high) / 2);
      double mean = 0;
      for (const LabelSet& s : sets) mean += s.samples * cut(factor, s) / samples;
      (mean < 1 ? low : high) = (low + high) / 2;
    }
  }
  for (LabelSet& s : sets) s.weight = cut(factor, s);
}

// Labels whose films are all seen as often, or as rarely, as they may be: nothing more can be done for them.
std::vector<bool> at_limit(const std::vector<LabelSet>& sets, std::size_t classes, double most) {
  std::vector<bool> all_high(classes, true), all_low(classes, true);
  for (const LabelSet& s : sets)
    for (const int label : s.labels) {
      const auto k = static_cast<std::size_t>(label);
      all_high[k] = all_high[k] && s.weight >= most * (1 - 1e-9);
      all_low[k] = all_low[k] && s.weight <= (1 + 1e-9) / most;
    }
  for (std::size_t k = 0; k < classes; ++k) all_high[k] = all_high[k] || all_low[k];
  return all_high;
}

}  // namespace

CapSelection cap_selection(const SampleSource& source, const CapOptions& o, std::int64_t epoch) {
  require<ValueError>(o.cap > 0, "cap: ", o.cap, " films a finding leave none; give 1 or more");
  require<ValueError>(o.train_share > 0 && o.train_share <= 1, "cap: a share of ", o.train_share,
                      " for training is not above 0 and at most 1");
  require<ValueError>(o.exempt >= -1 && o.exempt < source.num_classes(), "cap: class ", o.exempt, " of ",
                      source.num_classes(), " cannot be exempt; give -1 for none");
  const auto drawn = static_cast<std::uint64_t>(o.anew ? epoch : 0);
  std::vector<std::int64_t> chosen = chosen_by_cap(source, o, drawn);
  RandomStream random(o.seed, stream_id(share_purpose, drawn));
  if (o.train_share < 1) shuffle(chosen, random);
  const auto train = static_cast<std::ptrdiff_t>(o.train_share * static_cast<double>(chosen.size()));
  return {{chosen.begin(), chosen.begin() + train}, {chosen.begin() + train, chosen.end()}};
}

std::shared_ptr<const Sampler> cap_sampler(const SampleSource& source, const CapOptions& options,
                                           BatchCut cut) {
  const std::int64_t first = std::ssize(cap_selection(source, options, 0).train);
  require<DataError>(first > 0, "cap: none of ", source.size(),
                     " films is chosen to learn from; raise the cap or give more films");
  return std::make_shared<CapSampler>(source, options, first, cut);
}

std::vector<double> label_weights(const SampleSource& source, double most) {
  require<ValueError>(most >= 1 && std::isfinite(most), "label_weights: at most ", most,
                      " times the mean; give a number of 1 or more");
  std::map<std::vector<int>, std::size_t> number;
  std::vector<std::size_t> set_of(static_cast<std::size_t>(source.size()));
  std::vector<LabelSet> sets;
  bool any = false;
  for (std::int64_t i = 0; i < source.size(); ++i) {
    const auto [found, fresh] = number.emplace(labels_with_none(source, i), sets.size());
    if (fresh) sets.push_back({found->first, 0});
    sets[found->second].samples += 1;
    set_of[static_cast<std::size_t>(i)] = found->second;
    any = any || found->first[0] < source.num_classes();
  }
  require<DataError>(any, "label_weights: none of ", source.size(),
                     " samples has a label; there is nothing to balance, choose another --sampler");
  const auto classes = static_cast<std::size_t>(source.num_classes()) + 1;
  std::vector<double> term(classes, 0), share(classes);
  const double all = static_cast<double>(source.size());
  for (int round = 0; round < 300; ++round) {
    for (LabelSet& s : sets) {
      double sum = 0;
      for (const int label : s.labels) sum += term[static_cast<std::size_t>(label)];
      s.weight = std::exp(sum);
    }
    settle_weights(sets, most);
    std::fill(share.begin(), share.end(), 0);
    for (const LabelSet& s : sets)
      for (const int label : s.labels) share[static_cast<std::size_t>(label)] += s.samples * s.weight / all;
    const std::vector<bool> limit = at_limit(sets, classes, most);
    double middle = 0, seen = 0, off = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      if (share[k] <= 0 || limit[k]) continue;
      middle += std::log(share[k]);
      ++seen;
    }
    for (std::size_t k = 0; k < classes; ++k) {
      if (share[k] <= 0 || limit[k]) continue;
      const double step = middle / seen - std::log(share[k]);
      off = std::max(off, std::fabs(step));
      // Where a label never comes alone and cannot reach its goal, the term must not run away.
      term[k] = std::clamp(term[k] + 0.5 * step, -20.0, 20.0);
    }
    if (off < 1e-9) break;
  }
  std::vector<double> weights;
  for (const std::size_t s : set_of) weights.push_back(sets[s].weight);
  return weights;
}

std::shared_ptr<const Sampler> label_balanced(const SampleSource& source, BatchCut cut, std::int64_t draws,
                                              double most) {
  return weighted(label_weights(source, most), cut, draws);
}

}  // namespace gadolin::chestxray
