// Weighted means of what members say, class by class by name.
#include "tasks/ensemble.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tasks/temperature.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

constexpr const char* view_names[] = {"identity", "hflip", "vflip", "both"};

// Column of `member` that holds each class of `first`.
std::vector<std::size_t> columns_of(const Member& first, const Member& member) {
  const std::set<std::string> once(member.classes.begin(), member.classes.end());
  require<DataError>(once.size() == member.classes.size(), "ensemble: ", member.name,
                     " has two classes of one name");
  for (const std::string& name : member.classes) {
    require<DataError>(std::find(first.classes.begin(), first.classes.end(), name) != first.classes.end(),
                       "ensemble: ", member.name, " has a class '", name, "' that ", first.name,
                       " lacks; all members must know the same classes");
  }
  std::vector<std::size_t> columns;
  for (const std::string& name : first.classes) {
    const auto at = std::find(member.classes.begin(), member.classes.end(), name);
    require<DataError>(at != member.classes.end(), "ensemble: ", first.name, " has a class '", name,
                       "' that ", member.name, " lacks; all members must know the same classes");
    columns.push_back(static_cast<std::size_t>(at - member.classes.begin()));
  }
  return columns;
}

// Logits [samples, K] in the order of `columns`, divided by the member's temperature.
std::vector<double> ordered(const Member& member, const std::vector<std::size_t>& columns, std::size_t n) {
  const std::size_t k = columns.size();
  require<ShapeError>(member.logits.size() == n * k, "ensemble: ", member.name, " has ", member.logits.size(),
                      " logits for ", n, " samples of ", k, " classes");
  require<ValueError>(member.temperature > 0 && std::isfinite(member.temperature), "ensemble: temperature ",
                      member.temperature, " of ", member.name, " is not above 0");
  std::vector<double> z(n * k);
  for (std::size_t i = 0; i < z.size(); ++i) {
    z[i] = member.logits[i / k * k + columns[i % k]] / member.temperature;
    require<NumericError>(!std::isnan(z[i]), "ensemble: a logit of ", member.name, " for sample ", i / k,
                          " is NaN");
  }
  return z;
}

}  // namespace

const char* view_name(View view) { return view_names[static_cast<int>(view)]; }

std::vector<View> views_from(const std::string& text) {
  if (text == "all") return {View::identity, View::hflip, View::vflip, View::both};
  std::vector<View> views;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const auto* known = std::find(std::begin(view_names), std::end(view_names), word);
    require<UsageError>(known != std::end(view_names), "views: '", word,
                        "' is unknown; use identity, hflip, vflip, both or all");
    const View view = static_cast<View>(known - std::begin(view_names));
    require<UsageError>(std::find(views.begin(), views.end(), view) == views.end(), "views '", text,
                        "': ", word, " comes twice; each view counts once");
    views.push_back(view);
    begin = end + 1;
  }
  return views;
}

Tensor seen(const Tensor& images, View view) {
  require<ShapeError>(images.dim() >= 2, "view: images ", images.shape(), " have no height and width");
  switch (view) {
    case View::hflip: return flip(images, {-1});
    case View::vflip: return flip(images, {-2});
    case View::both: return flip(images, {-2, -1});
    default: return images;
  }
}

Ensemble combine(const std::vector<Member>& members, const EnsembleOptions& options) {
  require<ValueError>(!members.empty(), "ensemble: no member");
  const Member& first = members.front();
  const std::size_t k = first.classes.size();
  double total = 0;
  for (const Member& m : members) {
    require<ValueError>(m.weight >= 0 && std::isfinite(m.weight), "ensemble: weight ", m.weight, " of ",
                        m.name, " is not 0 or more");
    total += m.weight;
  }
  require<ValueError>(total > 0, "ensemble: all weights are 0");
  const Member& present =
      *std::find_if(members.begin(), members.end(), [](const Member& m) { return m.weight > 0; });
  require<ShapeError>(k > 0 && present.logits.size() % k == 0, "ensemble: ", present.name, " has ",
                      present.logits.size(), " logits, no whole rows of ", k, " classes");
  const std::size_t samples = present.logits.size() / k;

  const auto probabilities = [&](const std::vector<double>& z) {
    return options.multi_label ? sigmoid_at(z) : softmax_at(z, static_cast<std::int64_t>(k));
  };
  const bool of_logits = options.mean == EnsembleOptions::Mean::logits;
  std::vector<double> sum(samples * k);
  for (const Member& m : members) {
    const std::vector<std::size_t> columns = columns_of(first, m);
    if (m.weight == 0) continue;
    const std::vector<double> z = ordered(m, columns, samples);
    const std::vector<double> part = of_logits ? z : probabilities(z);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += m.weight / total * part[i];
  }
  Ensemble result{first.classes, of_logits ? probabilities(sum) : std::move(sum)};
  for (std::size_t i = 0; i < result.probability.size(); ++i) {
    double& p = result.probability[i];
    require<NumericError>(!std::isnan(p), "ensemble: infinite logits of sample ", i / k,
                          " leave no probability; look at the members' weights for NaN and infinity");
    p = std::min(p, 1.0);  // a sum of shares may round up
  }
  return result;
}

}  // namespace gadolin
