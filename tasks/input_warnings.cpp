#include "tasks/input_warnings.h"

#include <algorithm>
#include <cmath>

#include "data/dicom/file.h"
#include "io/json.h"
#include "io/text.h"
#include "tasks/inputs.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "train/checkpoint.h"

namespace gadolin {
namespace {

struct ValueRange {
  double low, high;
};

// Of picture n, normalisation taken back, on the scale of 0 to 255.
ValueRange range_of(const Batch& batch, std::int64_t n, const Normalize& normalize) {
  const Tensor picture = batch["image"].slice(0, n, n + 1).to(DType::fp32).contiguous();
  const std::vector<double> values = picture.to_vector<double>();
  const auto channels = static_cast<std::size_t>(picture.size(1)), area = values.size() / channels;
  ValueRange range{INFINITY, -INFINITY};
  for (std::size_t c = 0; c < channels; ++c) {
    const auto of = [c](const std::vector<double>& v) { return v[v.size() > 1 ? c : 0]; };
    for (std::size_t i = c * area; i < (c + 1) * area; ++i) {
      const double value = 255 * (values[i] * of(normalize.deviation) + of(normalize.mean));
      if (std::isnan(value)) return {value, value};
      range = {std::min(range.low, value), std::max(range.high, value)};
    }
  }
  return range;
}

bool holds_pictures(const Batch& batch) { return batch.has("image") && batch["image"].dim() == 4; }

const char* kind_of_view(const std::string& view) {
  if (view.starts_with("PA") || view.starts_with("AP")) return "frontal";
  const bool lateral = view == "LL" || view == "RL" || view == "L" || view.starts_with("LAT");
  return lateral ? "lateral" : "other";
}

// "0", "254.5", "1e+38"
std::string short_value(double v) {
  const double rounded = std::round(v * 10) / 10;
  return exact_text(std::isfinite(rounded) ? rounded + 0.0 : v);
}

}  // namespace

TrainedOn look_at(const Dataset& train, const Pipeline& pipeline, std::int64_t most) {
  TrainedOn seen;
  std::vector<double> spans;
  const std::int64_t count = std::min(most, train.size());
  for (std::int64_t k = 0; k < count; ++k) {
    const std::int64_t i = k * train.size() / count;
    try {
      const Batch batch = one_sample(train, i, pipeline, cpu);
      if (!holds_pictures(batch)) return {};
      const ValueRange range = range_of(batch, 0, pipeline.normalize());
      if (std::isnan(range.low)) continue;
      seen.low = seen.pictures == 0 ? range.low : std::min(seen.low, range.low);
      seen.high = seen.pictures == 0 ? range.high : std::max(seen.high, range.high);
      spans.push_back(range.high - range.low);
      ++seen.pictures;
      if (const std::string view = view_of(train, i); !view.empty()) ++seen.views[view];
    } catch (const Error& error) {
      if (error.exit_code() != Exit::data && error.exit_code() != Exit::file) throw;
    }
  }
  std::sort(spans.begin(), spans.end());
  if (!spans.empty()) seen.span = spans[spans.size() / 20];
  return seen;
}

std::string trained_on_to_json(const TrainedOn& trained) {
  return Json{{"pictures", trained.pictures},
              {"low", trained.low},
              {"high", trained.high},
              {"span", trained.span},
              {"views", trained.views}}
      .dump();
}

TrainedOn trained_on_from_json(const std::string& text, const std::string& place) {
  const Json json = Json::parse(text, nullptr, false);
  const auto number = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_number();
  };
  const bool good =
      number("pictures") && number("low") && number("high") && number("span") && json.contains("views") &&
      json["views"].is_object() &&
      std::all_of(json["views"].begin(), json["views"].end(), [](const Json& n) { return n.is_number(); });
  require<CheckpointError, 30>(good, place,
                               " does not say what its net was trained on; was it changed by hand?");
  return {json["pictures"], json["low"], json["high"], json["span"],
          json["views"].get<std::map<std::string, std::int64_t>>()};
}

std::string view_of(const StoredImage& picture) {
  const std::string_view bytes(reinterpret_cast<const char*>(picture.file.data()), picture.file.size());
  if (bytes.empty() || !dicom_available() || !DicomFile::looks_like(bytes)) return "";
  std::string view;
  try {
    view = DicomFile(bytes, "the file", {.pixels = false}).text(dicom::view_position);
  } catch (const Error&) {  // whoever decodes it says what is wrong
  }
  for (char& c : view)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return view;
}

std::string view_of(const Dataset& set, std::int64_t i) {
  try {
    return view_of(set.read(i));
  } catch (const Error&) {
    return "";
  }
}

InputWatch::InputWatch(const std::string& checkpoint) {
  const auto facts = load_checkpoint_facts(checkpoint);
  if (const auto found = facts.find("trained_on"); found != facts.end())
    trained_ = trained_on_from_json(found->second, "checkpoint: " + checkpoint);
}

std::vector<std::string> InputWatch::warnings(const Batch& batch, std::int64_t n, const Pipeline& pipeline,
                                              const std::string& view) const {
  std::vector<std::string> said;
  if (trained_.pictures > 0 && holds_pictures(batch)) {
    const ValueRange range = range_of(batch, n, pipeline.normalize());
    const double room = std::max(1.0, trained_.high - trained_.low) / 4;
    // What is no number is far from every range.
    const bool inside = range.low >= trained_.low - room && range.high <= trained_.high + room,
               alive = range.high - range.low >= trained_.span / 2;
    if (!inside || !alive)
      said.push_back(cat("its values are ", short_value(range.low), " to ", short_value(range.high),
                         ", those of training were ", short_value(trained_.low), " to ",
                         short_value(trained_.high), " (0 is black, 255 is white)"));
  }
  if (!view.empty() && !trained_.views.empty()) {
    const std::string kind = kind_of_view(view);
    std::string known;
    bool met = false;
    for (const auto& [name, count] : trained_.views) {
      met = met || kind == kind_of_view(name);
      known += cat(known.empty() ? "" : ", ", name, " ", count);
    }
    if (!met)
      said.push_back(cat("it is a ", kind == "other" ? "" : kind + " ", "film (view ", printable(view),
                         "), and the net was trained on other views only (", known, ")"));
  }
  return said;
}

}  // namespace gadolin
