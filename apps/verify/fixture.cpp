#include "apps/verify/fixture.h"

#include <algorithm>
#include <cmath>

#include "apps/verify/subject.h"
#include "layers/init.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

// Every tensor of the file must be of a kind that is compared, and of a name that the net has.
void require_known_names(const FixtureFile& file, const State& mine) {
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::string& name = entry.name;
    const auto is = [&](std::string_view kind) { return name == kind || name.starts_with(cat(kind, ".")); };
    require<FormatError, 23>(is("state") || is("grad") || is("after") || is("input") || is("output") ||
                                 is("target") || name == "loss",
                             "verify: ", file.path(), " holds ", name, ", which no check knows");
    if (is("input") || is("output") || is("target") || name == "loss" || name.starts_with("grad.input"))
      continue;
    const std::string rest = name.substr(std::min(name.find('.') + 1, name.size()));
    require<FormatError, 23>(mine.contains(rest), "verify: ", file.path(), " holds ", name, ", but ",
                             file.model(), " has no ", rest);
  }
}

void check_outputs(FixtureFile& file, const std::vector<Tensor>& outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (file.has(file.output_name(i))) file.check(file.output_name(i), outputs[i]);
  const std::string more = cat("output.", outputs.size());
  require<FormatError, 23>(!file.has(more), "verify: ", file.path(), " holds ", more, ", but ", file.model(),
                           " has no such output in mode ", file.training() ? "train" : "eval");
}

// Of "grad.input", "grad.input.1", ...: the place of the input.
std::size_t input_of(const std::string& name) {
  return name == "grad.input" ? 0 : static_cast<std::size_t>(std::strtoul(name.c_str() + 11, nullptr, 10));
}

void check_gradients(FixtureFile& file, const State& mine, const std::vector<Tensor>& inputs) {
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::string& name = entry.name;
    if (name.starts_with("after.")) file.check(name, mine.at(name.substr(6)));
    if (!name.starts_with("grad.")) continue;
    const bool of_input = name.starts_with("grad.input");
    const std::size_t place = of_input ? input_of(name) : 0;
    const Tensor grad = !of_input               ? mine.at(name.substr(5)).grad()
                        : place < inputs.size() ? inputs[place].grad()
                                                : Tensor();
    require<FormatError, 24>(grad.defined(), "verify: ", file.path(), " expects ", name,
                             ", but no gradient reached it");
    file.check(name, grad);
  }
}

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
  FixtureFile file(path, options);
  const std::unique_ptr<Subject> subject = [&] {
    const SkipInitialValues zeros;
    return make_subject(file);
  }();
  Module& net = subject->module();
  net.load_state(file.state(), {.strict = false}, path);
  State mine;
  for (const Parameter& p : net.state()) mine[p.name] = p.tensor;
  require_known_names(file, mine);
  if (options.dtype == DType::fp64) net.to(DType::fp64);
  net.to(options.device);
  net.train(file.training());
  const bool half = options.dtype == DType::bf16 || options.dtype == DType::fp16;
  const ComputeScope compute(half ? options.dtype : DType::fp32);

  std::vector<Tensor> inputs = file.inputs();
  if (!file.training()) {
    const NoGrad guard;
    check_outputs(file, subject->run(inputs));
    return file.report();
  }
  for (Tensor& x : inputs) x = x.detach();
  for (const SafetensorsEntry& entry : file.entries())
    if (entry.name.starts_with("grad.input") && input_of(entry.name) < inputs.size())
      inputs[input_of(entry.name)].requires_grad_();
  const std::vector<Tensor> outputs = subject->run(inputs);
  check_outputs(file, outputs);
  const std::string kind = file.text("loss");
  if (kind != "none") {
    const Tensor loss = subject->loss(kind, outputs);
    if (file.has("loss")) file.check("loss", loss.reshape({}));
    loss.backward();
  }
  check_gradients(file, mine, inputs);
  return file.report();
}

}  // namespace gadolin
