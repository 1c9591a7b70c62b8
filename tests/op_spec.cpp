// Registration of specs as GoogleTest tests, and the dispatch of their checks.
#include "tests/op_spec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <deque>

#include "tests/op_spec_run.h"

namespace gadolin {
namespace {

std::deque<OpSpec>& specs() {  // a deque: tests keep addresses
  static std::deque<OpSpec> registered;
  return registered;
}

struct Named {
  Check check;
  const char* name;
};
constexpr Named checks[] = {{Check::values, "Values"},
                            {Check::gradients, "Gradients"},
                            {Check::wrong_gradients, "WrongGradientsAreCaught"},
                            {Check::second_order, "SecondOrder"},
                            {Check::need, "Need"},
                            {Check::views, "Views"},
                            {Check::bounds, "Bounds"},
                            {Check::repeat, "Repeat"},
                            {Check::backends, "Backends"},
                            {Check::messages, "Messages"},
                            {Check::integers, "RefusesIntegers"},
                            {Check::on_cuda, "Cuda"},
                            {Check::cuda_views, "CudaViews"},
                            {Check::cuda_bounds, "CudaBounds"}};

bool needs_cuda(Check check) {
  return check == Check::on_cuda || check == Check::cuda_views || check == Check::cuda_bounds;
}

class SpecTest : public testing::Test {
 public:
  SpecTest(const OpSpec& spec, Check check) : spec_(spec), check_(check) {}
  void TestBody() override {
    if (needs_cuda(check_) && !cuda_available()) GTEST_SKIP() << "no CUDA device";
    for (const std::string& text : run_check(spec_, check_)) ADD_FAILURE() << text;
  }

 private:
  const OpSpec& spec_;
  Check check_;
};

std::string suite_of(std::string name) {
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

void check_messages(const OpSpec& spec, Failures& failures) {
  for (const ErrorCase& e : spec.errors) {
    std::string text = "nothing was thrown", code;
    try {
      Inputs inputs;
      std::uint64_t seed = 1;
      for (const Input& input : e.inputs) inputs.push_back(make(input, DType::fp32, cpu, seed++));
      (e.f ? e.f : spec.f)(inputs);
    } catch (const Error& error) {
      text = error.what();
      code = error.code();
    } catch (const std::exception& error) {
      text = std::string("not an Error: ") + error.what();
    }
    if (text != e.message)
      failures.push_back(spec.name + ": error text is\n  " + text + "\nwanted\n  " + e.message);
    if (!e.code.empty() && code != e.code) {
      failures.push_back(spec.name + ": error code is " + code + ", wanted " + e.code + " with \"" +
                         e.message + "\"");
    }
  }
}

void run_case(const CaseRun& run, Check check, bool& strong, Failures& failures) {
  switch (check) {
    case Check::values: return check_values(run, failures);
    case Check::gradients: return check_gradients(run, failures);
    case Check::wrong_gradients: return check_wrong_gradients(run, strong, failures);
    case Check::second_order: return check_second_order(run, failures);
    case Check::need: return check_need(run, failures);
    case Check::views: return check_views(run, failures);
    case Check::bounds: return check_bounds(run, cpu, failures);
    case Check::repeat: return check_repeat(run, cpu, failures);
    case Check::backends: return check_backends(run, failures);
    case Check::on_cuda: return check_cuda(run, failures);
    case Check::cuda_views: return check_cuda_views(run, failures);
    case Check::cuda_bounds: check_bounds(run, cuda, failures); return check_repeat(run, cuda, failures);
    case Check::integers: return check_integers(run, failures);
    case Check::messages: return;
  }
}

}  // namespace

bool applies(const OpSpec& spec, Check check) {
  switch (check) {
    case Check::gradients:
    case Check::wrong_gradients:
    case Check::second_order:
    case Check::need: return spec.differentiable;
    case Check::messages: return !spec.errors.empty();
    case Check::integers: return !spec.integers;
    default: return true;
  }
}

std::vector<std::string> run_check(const OpSpec& spec, Check check) {
  Failures failures;
  if (check == Check::messages) {
    check_messages(spec, failures);
    return failures;
  }
  bool strong = false;
  for (const OpCase& c : spec.cases) {
    const CaseRun run(spec, c);
    try {
      run_case(run, check, strong, failures);
    } catch (const std::exception& error) {
      failures.push_back(run.label() + "threw " + error.what());
    }
  }
  if (spec.cases.empty()) failures.push_back(spec.name + ": the spec has no case");
  if (check == Check::wrong_gradients && !strong) {
    failures.push_back(spec.name +
                       ": no case has gradients large enough to tell a wrong one; scale its inputs");
  }
  return failures;
}

const std::vector<OpSpec>& all_specs() {
  static const std::vector<OpSpec> copies(specs().begin(), specs().end());
  return copies;
}

bool add_spec(OpSpec spec, const char* file, int line) {
  const auto lists = [&](DType t) {
    return std::find(spec.dtypes.begin(), spec.dtypes.end(), t) != spec.dtypes.end();
  };
  spec.integers = spec.integers || lists(DType::int64);
  for (DType t : {DType::int64, DType::int32}) {
    if (spec.integers && !lists(t)) spec.dtypes.push_back(t);
  }
  specs().push_back(std::move(spec));
  const OpSpec& kept = specs().back();
  for (const Named& named : checks) {
    if (!applies(kept, named.check)) continue;
    testing::RegisterTest(suite_of(kept.name).c_str(), named.name, nullptr, nullptr, file, line,
                          [&kept, check = named.check]() -> SpecTest* { return new SpecTest(kept, check); });
  }
  return true;
}

}  // namespace gadolin
