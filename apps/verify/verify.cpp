// gadolin verify: fixtures of other implementations against our nets.
#include <algorithm>
#include <memory>

#include "apps/commands.h"
#include "apps/program/ranges.h"
#include "apps/verify/fixture.h"
#include "apps/verify/math.h"
#include "layers/winograd.h"
#include "nets/retinanet.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

struct VerifyOptions {
  std::vector<std::string> files;
  double tolerance_scale = 1;
  std::vector<std::string> nets;
  std::string input;
  double within = 1e-5;
};

void verify_files(Session& session, const VerifyOptions& o) {
  std::int64_t failed = 0;
  for (const std::string& file : o.files) {
    const FixtureReport report =
        verify_fixture(file, {session.device(), session.compute(), o.tolerance_scale});
    require<FormatError>(!report.checks.empty(), "verify: ", file, " holds nothing to compare with");
    const FixtureCheck& worst = report.worst();
    failed += !report.passed();
    if (session.common().verbose) {
      for (const FixtureCheck& c : report.checks)
        session.say((c.passed ? "  " : "! ") + fixed(c.deviation, 4) + "  " + c.name);
    }
    session.say(cat(report.passed() ? "passed  " : "FAILED  ", file, ": ", report.model, " ", report.mode,
                    ", ", report.checks.size(), " tensors, worst ", worst.name, " at ",
                    fixed(worst.deviation, 3), " of the tolerance"));
    Json event{{"file", file},
               {"model", report.model},
               {"passed", report.passed()},
               {"worst", {{"name", worst.name}, {"deviation", worst.deviation}}},
               {"checked", report.checks.size()}};
    if (session.common().verbose) {
      for (const FixtureCheck& c : report.checks) event["relative_l2"][c.name] = c.relative_l2;
    }
    session.event(event);
  }
  session.metric("files", o.files.size());
  session.metric("failed", failed);
  require<NumericError, 10>(failed == 0, "verify: ", failed, " of ", o.files.size(),
                            " fixtures deviate by more than their tolerance",
                            "; run with --verbose to see every tensor");
}

std::vector<std::string> nets_called(const std::vector<std::string>& names) {
  if (names != std::vector<std::string>{"all"}) return names;
  std::vector<std::string> all;
  for (const auto* registry : {&nets(), &detectors()})
    for (const NetInfo& info : *registry) all.push_back(info.name);
  return all;
}

// Every net's errors by the tiles of its 3x3 convolutions; those that --math allows must keep to the bound.
void verify_math(Session& session, const VerifyOptions& o) {
  const std::vector<std::string> names = nets_called(o.nets);
  const auto allowed = std::find(compared_tiles.begin(), compared_tiles.end(), detail::largest_tile()) -
                       compared_tiles.begin();
  std::int64_t failed = 0;
  double worst = 0;
  session.say(
      cat("largest difference from fp64, in millionths of the largest result; --math ", session.common().math,
          " keeps to ", 1e6 * o.within,
          "\n\n| net | input | direct | tiles up to 2 x 2 | tiles up to 4 x 4 |\n|---|---|---|---|---|"));
  for (const std::string& name : names) {
    const MathErrors e = math_errors(name, o.input, session.common().seed);
    const double error = e.errors[static_cast<std::size_t>(allowed)];
    const bool passed = error <= o.within;
    failed += !passed;
    if (!(error <= worst)) worst = error;
    std::string row = cat("| ", name, " | ", e.input[0], "x", e.input[1], "x", e.input[2]);
    Json by_tile = Json::object();
    for (std::size_t i = 0; i < compared_tiles.size(); ++i) {
      row += " | " + fixed(1e6 * e.errors[i], 2);
      by_tile[std::to_string(compared_tiles[i])] = e.errors[i];
    }
    session.say(row + " |" + (passed ? "" : " FAILED"));
    session.event({{"event", "math"}, {"net", name}, {"errors", by_tile}, {"passed", passed}});
  }
  session.metric("nets", names.size());
  session.metric("worst", worst);
  session.metric("failed", failed);
  require<NumericError, 10>(failed == 0, "verify: ", failed, " of ", names.size(),
                            " nets are further from fp64 than ", o.within,
                            " of the largest result with --math ", session.common().math,
                            "; use --math exact, or a larger --within");
}

void verify(Session& session, const VerifyOptions& o) {
  require<UsageError>(!o.files.empty() || !o.nets.empty(),
                      "verify: nothing to check; give fixture files, or --nets with names or all");
  if (!o.files.empty()) verify_files(session, o);
  if (!o.nets.empty()) verify_math(session, o);
}

}  // namespace

void add_verify(Program& program) {
  const auto o = std::make_shared<VerifyOptions>();
  CLI::App* app = program.add(
      "verify", "Check nets against fixtures of other implementations", [o](Session& s) { verify(s, *o); },
      "gadolin verify tests/fixtures/nets/*.safetensors");
  app->add_option("files", o->files, "Fixture files (.safetensors)");
  app->add_option("--tolerance-scale", o->tolerance_scale, "Multiplies the tolerances for bf16 and fp16")
      ->check(above(0))
      ->capture_default_str();
  app->add_option(
         "--nets", o->nets,
         "Nets, or all, whose results with random weights are compared with those in fp64, on the CPU")
      ->delimiter(',');
  app->add_option("--input", o->input, "Channels x height x width of --nets instead of each net's own");
  app->add_option("--within", o->within, "Largest difference of --nets, as a share of the largest result")
      ->check(above(0))
      ->capture_default_str();
}

}  // namespace gadolin
