// How good predictions are for groups of people and films: by sex, age, view and site, where a manifest has
// such columns. A mean over everybody hides a group for which a net is worse (Seyyed-Kalantari et al. 2021).
#pragma once

#include <string>
#include <vector>

#include "data/sets/extra_columns.h"
#include "io/json.h"
#include "tasks/metric_summary.h"
#include "tasks/report_page.h"

namespace gadolin {

// Every sample in one group.
struct Grouping {
  std::string by;                  // sex, age, view or site
  std::vector<std::string> group;  // of each sample; "not told" where the column is empty
};

// Of columns with such names (Patient Gender, view_position ... are among them), in the order sex, age, view,
// site. Ages become bands: 0 to 19, 20 to 39, 40 to 59, 60 to 79, 80 and above. A column that is empty
// throughout, or has more than 12 different values, makes no grouping.
std::vector<Grouping> groupings_of(const std::vector<ExtraColumn>& columns);

struct Subgroup {
  std::string by, group;
  std::int64_t samples = 0, patients = 0;
  // Classes, of `classes`, for which the group has both values: over these the mean of roc_auc goes.
  std::int64_t defined = 0, classes = 0;
  std::vector<MetricValue> metrics;  // as summarize() gives them, without micro averages and losses
};
// A row a group, groups in the order of their names, "not told" last. Throws ShapeError when a grouping has
// another number of samples than the predictions.
std::vector<Subgroup> measure_subgroups(const Predictions& predictions,
                                        const std::vector<Grouping>& groupings,
                                        const BootstrapOptions& options = {});

// "subgroups" of metrics.json, and back. Throws FormatError for what is no such list.
Json subgroups_json(const std::vector<Subgroup>& groups);
std::vector<Subgroup> subgroups_from(const Json& json);
// A row a group: by, group, samples, patients, the metrics of the whole with their intervals; with several
// labels how many of them entered the mean.
std::vector<std::vector<std::string>> subgroup_rows(const std::vector<Subgroup>& groups);
// The same for the report, and with several labels the area of each label in each group.
std::vector<report::Table> subgroup_tables(const std::vector<Subgroup>& groups);

// The mean area under the ROC curve of every group, as bars with their intervals; a bar says over how many
// classes it goes, where these are not all.
std::vector<report::Bars> subgroup_bars(const std::vector<Subgroup>& groups);

}  // namespace gadolin
