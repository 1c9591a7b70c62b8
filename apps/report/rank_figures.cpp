// ROC, precision and recall, calibration: one line a class, or of many classes those that tell most.
#include <algorithm>
#include <cmath>

#include "apps/chart/svg.h"
#include "apps/report/html.h"
#include "tensor/check.h"

namespace gadolin::report {
namespace {

using Curves = std::vector<RankCurve>;
constexpr std::size_t most_lines = 7;  // in one figure: as many as there are colours

// What the three kinds of figures are called.
struct Kind {
  const char *title, *area, *x_label, *y_label;
  bool diagonal;
};
constexpr Kind roc_kind{"ROC curve", "AUC", "false positive rate (1 - specificity)",
                        "true positive rate (sensitivity)", true};
constexpr Kind precision_kind{"Precision and recall", "AP", "recall (sensitivity)", "precision", false};
constexpr Kind precision50_kind{"Precision and recall, IoU 0.5", "AP50", "recall (sensitivity)", "precision",
                                false};
constexpr Kind precision_mean_kind{"Precision and recall, mean of IoU 0.5 to 0.95", "AP",
                                   "recall (sensitivity)", "precision", false};
constexpr Kind calibration_kind{"Calibration", "expected error", "mean probability given",
                                "share that came true", true};

const RankCurve* find(const Curves& curves, const std::string& name) {
  const auto found =
      std::find_if(curves.begin(), curves.end(), [&](const RankCurve& c) { return c.name == name; });
  return found == curves.end() ? nullptr : &*found;
}

chart::Series line_of(const RankCurve& curve, const Kind& kind, const std::string& name) {
  return {name + ": " + kind.area + " " + with_interval(curve.area), curve.x, curve.y};
}

std::string draw(std::vector<chart::Series> lines, const Kind& kind, const std::string& title,
                 const std::string& caption, const Table& numbers) {
  std::string description;
  for (const chart::Series& line : lines) description += line.name + ". ";
  const chart::Frame frame{.title = title,
                           .description = description,
                           .x_label = kind.x_label,
                           .y_label = kind.y_label,
                           .width = 360,
                           .height = 360};
  return figure(chart::line_chart(lines, frame, {.unit_square = true, .diagonal = kind.diagonal}), caption,
                numbers);
}

std::string rank_figure(const Curves& curves, const std::vector<std::string>& names, const Kind& kind,
                        const std::string& caption) {
  std::vector<chart::Series> lines;
  Table numbers{"", {"curve", std::string(kind.area) + " (95 % interval)"}, {}};
  for (const std::string& name : names) {
    const RankCurve* curve = find(curves, name);
    if (curve == nullptr) continue;
    lines.push_back(line_of(*curve, kind, name));
    numbers.rows.push_back({name, with_interval(curve->area)});
    if (curves.size() > 1) continue;  // bands would hide each other
    lines.back().low = curve->low;
    lines.back().high = curve->high;
  }
  if (lines.empty()) return "";
  return draw(lines, kind, kind.title, caption, numbers);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Chosen choose_curves(const Curves& roc, const std::vector<std::string>& asked) {
  if (!asked.empty()) return {asked, "Chosen with --findings: " + listed(asked) + "."};
  Chosen chosen;
  std::vector<const RankCurve*> order;
  for (const RankCurve& curve : roc) order.push_back(&curve);
  if (roc.size() <= most_lines) {
    for (const RankCurve& curve : roc) chosen.names.push_back(curve.name);
    return chosen;
  }
  const auto take = [&](const char* why, std::size_t count, auto before) {
    std::stable_sort(order.begin(), order.end(), before);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) {
      names.push_back(order[i]->name);
      if (std::find(chosen.names.begin(), chosen.names.end(), names.back()) == chosen.names.end())
        chosen.names.push_back(names.back());
    }
    chosen.caption += std::string(why) + ": " + listed(names) + ". ";
  };
  using One = const RankCurve*;
  take("Best", 2, [](One a, One b) { return a->area.value > b->area.value; });
  take("Worst", 2, [](One a, One b) { return a->area.value < b->area.value; });
  take("Most frequent", 3, [](One a, One b) { return a->positives > b->positives; });
  chosen.caption +=
      "All " + std::to_string(roc.size()) + " stand in the table; gadolin report --findings chooses others.";
  return chosen;
}

namespace {

// The curves by which those in the figures are chosen.
const Curves& leading(const RunReport& run) { return run.roc.empty() ? run.precision_recall : run.roc; }

std::string precision_figures(const RunReport& run, const std::vector<std::string>& names,
                              const std::string& caption) {
  const bool two = !run.precision_recall_mean.empty();
  return rank_figure(run.precision_recall, names, two ? precision50_kind : precision_kind, caption) +
         rank_figure(run.precision_recall_mean, names, precision_mean_kind, "");
}

}  // namespace

std::string rank_figures(const RunReport& run, const std::vector<std::string>& asked) {
  const Chosen chosen = choose_curves(leading(run), asked);
  std::vector<std::string> calibrated = chosen.names;
  if (run.calibration.size() == 1) calibrated = {run.calibration[0].name};  // of the likeliest class
  std::string out = rank_figure(run.roc, chosen.names, roc_kind, chosen.caption) +
                    precision_figures(run, chosen.names, run.roc.empty() ? chosen.caption : "") +
                    rank_figure(run.calibration, calibrated, calibration_kind,
                                "On the diagonal, probabilities mean what they say.");
  std::vector<std::string> others;
  for (const RankCurve& curve : leading(run)) {
    if (std::find(chosen.names.begin(), chosen.names.end(), curve.name) == chosen.names.end())
      others.push_back(curve.name);
  }
  std::string rest;
  for (std::size_t i = 0; i < others.size(); i += most_lines) {
    const auto from = others.begin() + static_cast<std::ptrdiff_t>(i);
    const std::vector<std::string> some(from,
                                        from + std::min<std::ptrdiff_t>(most_lines, others.end() - from));
    rest += rank_figure(run.roc, some, roc_kind, "") + precision_figures(run, some, "") +
            rank_figure(run.calibration, some, calibration_kind, "");
  }
  if (!rest.empty())
    out += folded("Curves of the other " + std::to_string(others.size()),
                  "<div class=\"figures\">\n" + rest + "</div>");
  return out;
}

std::string compared_ranks(const std::vector<RunReport>& runs, const std::vector<std::string>& asked) {
  std::string out;
  for (const std::string& name : choose_curves(runs.front().roc, asked).names) {
    std::vector<chart::Series> lines;
    Table numbers{"", {"run", "AUC (95 % interval)"}, {}};
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const RankCurve* curve = find(runs[i].roc, name);
      if (curve == nullptr) continue;
      lines.push_back(line_of(*curve, roc_kind, runs[i].name));
      lines.back().hue = lines.back().dash = static_cast<int>(i);
      numbers.rows.push_back({runs[i].name, with_interval(curve->area)});
    }
    if (lines.size() > 1) out += draw(lines, roc_kind, "ROC curve: " + name, "", numbers);
  }
  return out;
}

}  // namespace gadolin::report
