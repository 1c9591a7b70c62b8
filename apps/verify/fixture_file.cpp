#include "apps/verify/fixture_file.h"

#include <algorithm>
#include <cmath>

#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {

FixtureFile::FixtureFile(const std::string& path, const FixtureOptions& options)
    : path_(path), file_(path), options_(options) {
  require<FormatError, 20>(text("format") == "gadolin-fixture-1", "verify: ", path, " has format ",
                           text("format"), "; this version reads gadolin-fixture-1");
  report_ = {path, text("model"), text("mode"), {}};
  rtol_ = number("rtol");
  atol_ = number("atol");
  read_config();
  require<FormatError, 22>(report_.mode == "eval" || report_.mode == "train", "verify: ", path, " has mode ",
                           report_.mode, "; known are eval and train");
}

std::string FixtureFile::text(const std::string& key) const {
  const auto found = file_.metadata().find(key);
  require<FormatError, 20>(found != file_.metadata().end(), "verify: ", path_, " has no metadata '", key,
                           "'; is it a fixture of the form gadolin-fixture-1?");
  return found->second;
}

double FixtureFile::number(const std::string& key) const {
  const std::string given = text(key);
  char* end = nullptr;
  const double value = std::strtod(given.c_str(), &end);
  require<FormatError, 20>(!given.empty() && *end == 0 && std::isfinite(value), "verify: ", path_,
                           " has metadata ", key, " = '", given, "', which is no number");
  return value;
}

void FixtureFile::read_config() {
  if (has_text("config")) config_ = Json::parse(text("config"), nullptr, false);
  require<FormatError, 20>(config_.is_object() || config_.is_null(), "verify: ", path_,
                           " has a config that is no JSON object");
  const auto found = config_.find("normalize");
  if (found == config_.end()) return;
  const auto numbers = [](const Json& list) {
    return list.is_array() && !list.empty() &&
           std::all_of(list.begin(), list.end(), [](const auto& v) { return v.is_number(); });
  };
  const Json& value = *found;
  require<FormatError, 20>(value.is_array() && value.size() == 2 && numbers(value[0]) && numbers(value[1]) &&
                               value[0].size() == value[1].size(),
                           "verify: ", path_, ": normalize is not [mean, deviation]");
  mean_ = value[0].get<std::vector<double>>();
  deviation_ = value[1].get<std::vector<double>>();
  config_.erase("normalize");
}

NetOptions FixtureFile::net_options() const {
  NetOptions options;
  for (const auto& [key, value] : config_.items()) {
    if (value.is_boolean()) {
      options[key] = value.get<bool>();
    } else if (value.is_number()) {
      options[key] = value.get<double>();
    } else {
      require<FormatError, 20>(value.is_string(), "verify: ", path_, ": config ", key,
                               " is neither number, text nor true or false");
      options[key] = value.get<std::string>();
    }
  }
  if (has_text("num_classes")) options["num_classes"] = number("num_classes");
  return options;
}

Tensor FixtureFile::tensor_here(const std::string& name) const {
  const Tensor t = file_.tensor(name);
  if (!is_floating(t.dtype())) return t.to(options_.device);
  return t.to(options_.dtype == DType::fp64 ? DType::fp64 : DType::fp32).clone().to(options_.device);
}

State FixtureFile::state() const {
  State weights;
  for (const SafetensorsEntry& entry : file_.entries())
    if (entry.name.starts_with("state.")) weights[entry.name.substr(6)] = file_.tensor(entry.name);
  return weights;
}

std::vector<Tensor> FixtureFile::inputs() const {
  std::vector<Tensor> all{tensor_here(has("input.0") ? "input.0" : "input")};
  if (!mean_.empty()) {
    const Shape per_channel{1, static_cast<std::int64_t>(mean_.size()), 1, 1};
    const auto like = [&](const std::vector<double>& values) {
      return gadolin::tensor(values, per_channel).to(all[0].dtype()).to(all[0].device());
    };
    all[0] = div(sub(all[0], like(mean_)), like(deviation_));
  }
  for (std::size_t i = 1; has(cat("input.", i)); ++i) all.push_back(tensor_here(cat("input.", i)));
  return all;
}

std::string FixtureFile::output_name(std::size_t i) const {
  return i == 0 && has("output") ? "output" : cat("output.", i);
}

void FixtureFile::check(const std::string& name, const Tensor& got) {
  const Tensor expected = file_.tensor(name);
  require<FormatError, 21>(got.shape() == expected.shape() || (got.numel() == 1 && expected.numel() == 1),
                           "verify: ", path_, ": ", name, " is ", expected.shape(),
                           " in the file, but the net gives ", got.shape());
  const bool half = options_.dtype == DType::bf16 || options_.dtype == DType::fp16;
  const double scale = half ? options_.tolerance_scale : 1;
  const std::vector<double> a = got.to_vector<double>(), b = expected.to_vector<double>();
  FixtureCheck result{name, 0, true};
  double off = 0, length = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(a[i] - b[i]) / (scale * (atol_ + rtol_ * std::fabs(b[i])));
    if (!(d <= result.deviation)) result.deviation = d;
    if (!(d <= 1)) result.passed = false;
    if (std::isnan(d)) break;
    off += (a[i] - b[i]) * (a[i] - b[i]);
    length += b[i] * b[i];
  }
  result.relative_l2 =
      std::isnan(result.deviation) ? result.deviation : std::sqrt(off / std::max(length, 1e-300));
  report_.checks.push_back(result);
}

}  // namespace gadolin
