// gadolin verify: fixtures of other implementations against our nets.
#include <memory>

#include "apps/commands.h"
#include "apps/program/ranges.h"
#include "apps/verify/fixture.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

struct VerifyOptions {
  std::vector<std::string> files;
  double tolerance_scale = 1;
};

void verify(Session& session, const VerifyOptions& o) {
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

}  // namespace

void add_verify(Program& program) {
  const auto o = std::make_shared<VerifyOptions>();
  CLI::App* app = program.add(
      "verify", "Check nets against fixtures of other implementations", [o](Session& s) { verify(s, *o); },
      "gadolin verify tests/fixtures/nets/*.safetensors");
  app->add_option("files", o->files, "Fixture files (.safetensors)")->required();
  app->add_option("--tolerance-scale", o->tolerance_scale, "Multiplies the tolerances for bf16 and fp16")
      ->check(above(0))
      ->capture_default_str();
}

}  // namespace gadolin
