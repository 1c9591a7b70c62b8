#include "apps/verify/fixture.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "io/safetensors.h"
#include "layers/init.h"
#include "layers/loss.h"
#include "nets/registry.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

std::string meta(const SafetensorsFile& file, const std::string& path, const std::string& key) {
  const auto found = file.metadata().find(key);
  require<FormatError, 20>(found != file.metadata().end(), "verify: ", path, " has no metadata '", key,
                           "'; is it a fixture of the form gadolin-fixture-1?");
  return found->second;
}

double parsed_number(const std::string& path, const std::string& key, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  require<FormatError, 20>(!text.empty() && *end == 0 && std::isfinite(value), "verify: ", path,
                           " has metadata ", key, " = '", text, "', which is no number");
  return value;
}

struct Fixture {
  const SafetensorsFile& file;
  const std::string& path;
  FixtureOptions options;
  NetOptions net_options;
  std::vector<double> mean, deviation;  // of `normalize`
  double rtol = 0, atol = 0;
  FixtureReport report;

  void read_config() {
    nlohmann::json config;
    const auto found = file.metadata().find("config");
    if (found != file.metadata().end()) config = nlohmann::json::parse(found->second, nullptr, false);
    require<FormatError, 20>(config.is_object() || config.is_null(), "verify: ", path,
                             " has a config that is no JSON object");
    for (const auto& [key, value] : config.items()) {
      if (key == "normalize") {
        const auto numbers = [](const nlohmann::json& list) {
          return list.is_array() && !list.empty() &&
                 std::all_of(list.begin(), list.end(), [](const auto& v) { return v.is_number(); });
        };
        require<FormatError, 20>(value.is_array() && value.size() == 2 && numbers(value[0]) &&
                                     numbers(value[1]) && value[0].size() == value[1].size(),
                                 "verify: ", path, ": normalize is not [mean, deviation]");
        mean = value[0].get<std::vector<double>>();
        deviation = value[1].get<std::vector<double>>();
      } else if (value.is_boolean()) {
        net_options[key] = value.get<bool>();
      } else if (value.is_number()) {
        net_options[key] = value.get<double>();
      } else {
        require<FormatError, 20>(value.is_string(), "verify: ", path, ": config ", key,
                                 " is neither number, text nor true or false");
        net_options[key] = value.get<std::string>();
      }
    }
    net_options["num_classes"] = parsed_number(path, "num_classes", meta(file, path, "num_classes"));
  }

  Tensor input() const {
    Tensor x = file.tensor(file.contains("input.0") ? "input.0" : "input").to(DType::fp32).clone();
    if (!mean.empty()) {
      const Shape per_channel{1, static_cast<std::int64_t>(mean.size()), 1, 1};
      x = div(sub(x, tensor(mean, per_channel)), tensor(deviation, per_channel));
    }
    x = x.to(options.device);
    return options.dtype == DType::fp64 ? x.to(DType::fp64) : x;
  }

  // Compared in fp64 on the host, element by element in row-major order.
  void check(const std::string& name, const Tensor& got) {
    const Tensor expected = file.tensor(name);
    require<FormatError, 21>(got.shape() == expected.shape() || (got.numel() == 1 && expected.numel() == 1),
                             "verify: ", path, ": ", name, " is ", expected.shape(),
                             " in the file, but the net gives ", got.shape());
    const double scale =
        options.dtype == DType::bf16 || options.dtype == DType::fp16 ? options.tolerance_scale : 1;
    const std::vector<double> a = got.to_vector<double>(), b = expected.to_vector<double>();
    FixtureCheck result{name, 0, true};
    double off = 0, length = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double d = std::fabs(a[i] - b[i]) / (scale * (atol + rtol * std::fabs(b[i])));
      if (!(d <= result.deviation)) result.deviation = d;
      if (!(d <= 1)) result.passed = false;
      if (std::isnan(d)) break;
      off += (a[i] - b[i]) * (a[i] - b[i]);
      length += b[i] * b[i];
    }
    result.relative_l2 =
        std::isnan(result.deviation) ? result.deviation : std::sqrt(off / std::max(length, 1e-300));
    report.checks.push_back(result);
  }
};

Tensor loss_of(const std::string& kind, const std::string& path, const Fixture& f, const Tensor& y) {
  if (kind == "sum_squares") return mul(sum(mul(y, y)), 0.5);
  const Tensor target = f.file.tensor("target");
  if (kind == "cross_entropy") return cross_entropy(y, target.to(DType::int64).to(y.device()));
  require<FormatError, 22>(kind == "bce_with_logits", "verify: ", path, " wants the loss ", kind,
                           "; known are cross_entropy, bce_with_logits, sum_squares, none");
  return binary_cross_entropy_with_logits(y, target.to(y.dtype()).to(y.device()));
}

bool starts(const std::string& name, const std::string& with) { return name.rfind(with, 0) == 0; }

}  // namespace

bool FixtureReport::passed() const {
  return !checks.empty() &&
         std::all_of(checks.begin(), checks.end(), [](const FixtureCheck& c) { return c.passed; });
}
const FixtureCheck& FixtureReport::worst() const {
  const FixtureCheck* worst = &checks.at(0);
  for (const FixtureCheck& c : checks) {
    if (!(c.deviation <= worst->deviation) && !std::isnan(worst->deviation)) worst = &c;
  }
  return *worst;
}

FixtureReport verify_fixture(const std::string& path, const FixtureOptions& options) {
  const SafetensorsFile file(path);
  require<FormatError, 20>(meta(file, path, "format") == "gadolin-fixture-1", "verify: ", path,
                           " has format ", meta(file, path, "format"),
                           "; this version reads gadolin-fixture-1");
  Fixture f{
      file, path, options, {}, {}, {}, 0, 0, {path, meta(file, path, "model"), meta(file, path, "mode"), {}}};
  f.rtol = parsed_number(path, "rtol", meta(file, path, "rtol"));
  f.atol = parsed_number(path, "atol", meta(file, path, "atol"));
  f.read_config();
  const std::string mode = f.report.mode;
  require<FormatError, 22>(mode == "eval" || mode == "train", "verify: ", path, " has mode ", mode,
                           "; known are eval and train");

  const SkipInitialValues zeros;
  const std::unique_ptr<ImageNet> net = make_net(f.report.model, f.net_options);
  State weights;
  for (const SafetensorsEntry& entry : file.entries()) {
    if (starts(entry.name, "state.")) weights[entry.name.substr(6)] = file.tensor(entry.name);
  }
  net->load_state(weights, {.strict = false}, path);
  State mine;
  for (const Parameter& p : net->state()) mine[p.name] = p.tensor;
  for (const SafetensorsEntry& entry : file.entries()) {
    for (const char* prefix : {"state.", "grad.", "after."}) {
      if (!starts(entry.name, prefix) || entry.name == "grad.input") continue;
      const std::string name = entry.name.substr(std::string(prefix).size());
      require<FormatError, 23>(mine.count(name) == 1, "verify: ", path, " holds ", entry.name, ", but ",
                               f.report.model, " has no ", name);
    }
    const bool known = starts(entry.name, "state.") || starts(entry.name, "grad.") ||
                       starts(entry.name, "after.") || starts(entry.name, "input") ||
                       starts(entry.name, "output") || entry.name == "target" || entry.name == "loss";
    require<FormatError, 23>(known, "verify: ", path, " holds ", entry.name, ", which no check knows");
  }
  if (options.dtype == DType::fp64) net->to(DType::fp64);
  net->to(options.device);
  const bool half = options.dtype == DType::bf16 || options.dtype == DType::fp16;
  const ComputeScope compute(half ? options.dtype : DType::fp32);

  Tensor x = f.input();
  const std::string output = file.contains("output.0") ? "output.0" : "output";
  if (mode == "eval") {
    const NoGrad guard;
    net->eval();
    f.check(output, (*net)(x));
    require<FormatError, 23>(!file.contains("output.1"), "verify: ", path, " holds output.1, but ",
                             f.report.model, " has no such output in mode eval");
    return f.report;
  }
  x = x.detach();
  if (file.contains("grad.input")) x.requires_grad_();
  net->train();
  const Logits y = net->logits(x);
  if (file.contains(output)) f.check(output, y.main);
  const std::string kind = meta(file, path, "loss");
  int outputs = 0;  // the last classifier's is 0, auxiliary heads follow
  const Tensor loss = loss_with_auxiliary(y, [&](const Tensor& logits) {
    const std::string name = "output." + std::to_string(outputs++);
    if (outputs > 1 && file.contains(name)) f.check(name, logits);
    return kind == "none" ? logits : loss_of(kind, path, f, logits);
  });
  require<FormatError, 23>(!file.contains("output." + std::to_string(outputs)), "verify: ", path,
                           " holds output.", outputs, ", but ", f.report.model,
                           " has no such output in mode train");
  if (kind != "none") {
    if (file.contains("loss")) f.check("loss", loss.reshape({}));
    loss.backward();
  }
  for (const SafetensorsEntry& entry : file.entries()) {
    if (entry.name == "grad.input") {
      f.check(entry.name, x.grad());
    } else if (starts(entry.name, "grad.")) {
      const Tensor grad = mine[entry.name.substr(5)].grad();
      require<FormatError, 24>(grad.defined(), "verify: ", path, " expects ", entry.name,
                               ", but no gradient reached it");
      f.check(entry.name, grad);
    } else if (starts(entry.name, "after.")) {
      f.check(entry.name, mine[entry.name.substr(6)]);
    }
  }
  return f.report;
}

}  // namespace gadolin
