// gadolin pipeline run: what runs, why, and what is kept of it.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "tensor/random.h"
#include "tests/apps/pipeline/films.h"

using namespace gadolin;
using namespace gadolin::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

TEST(Pipeline, RunsWhatHasToRunAndSaysWhy) {
  const FilmSteps films;
  EXPECT_EQ(films.whys({"--dry-run"}), "archive: has not run\nimport: has not run\nprepare: has not run\n");
  EXPECT_FALSE(fs::exists(films.dir / "records"));
  EXPECT_EQ(films.whys(), "archive: has not run\nimport: has not run\nprepare: has not run\n");
  const std::string first = films.made();
  EXPECT_EQ(films.whys(), "archive: \nimport: \nprepare: \n");

  // A file that is gone, one that is another, other options, by force, and what comes after.
  fs::remove(films.dir / "labelled/manifest.csv");
  EXPECT_EQ(films.whys(), "archive: \nimport: \nprepare: changed output DIR/labelled\n");
  fs::remove_all(films.dir / "labelled");
  EXPECT_EQ(films.whys(), "archive: \nimport: \nprepare: missing output DIR/labelled\n");
  EXPECT_TRUE(films.made() == first);
  EXPECT_EQ(films.whys({"--dry-run", "--set", "patients=25"}),
            "archive: option patients: 24 -> 25\nimport: after archive\nprepare: after import\n");
  EXPECT_EQ(films.whys({"--dry-run", "--force", "import"}),
            "archive: \nimport: --force\nprepare: after import\n");
  EXPECT_EQ(films.whys({"--dry-run", "--force", "archive", "--from", "prepare"}), "prepare: \n");
  EXPECT_EQ(films.whys({"--dry-run", "--until", "import", "--seed", "5"}),
            "archive: \nimport: option seed: 0 -> 5\n");
  EXPECT_EQ(films.whys({"--dry-run", "--threads", "1"}), "archive: \nimport: \nprepare: \n");

  // What came out as before stops it there.
  EXPECT_EQ(films.whys({"--force", "archive"}), "archive: --force\nimport: \nprepare: \n");
  EXPECT_EQ(films.whys({"--set", "patients=25"}),
            "archive: option patients: 24 -> 25\nimport: changed input DIR/archive\nprepare: changed input "
            "DIR/openi\n");
  EXPECT_FALSE(films.made() == first);
  EXPECT_EQ(films.whys({"--set", "patients=24"}).find("archive: option patients: 25 -> 24"), 0u);
  EXPECT_TRUE(films.made() == first);
}

TEST(Pipeline, ARecordHasOptionsSeedsAndHashes) {
  const FilmSteps films;
  ASSERT_EQ(films.run({"--seed", "7", "--until", "import"}).code, 0);
  const json archive = films.record("archive"), import = films.record("import");
  EXPECT_EQ(import["state"], "done");
  EXPECT_EQ(import["options"][2], "seed=7");
  EXPECT_EQ(archive["options"][2], "seed=1") << "its own";
  EXPECT_EQ(import["inputs"][films.dir / "archive"]["sha256"],
            archive["outputs"][films.dir / "archive"]["sha256"]);
  EXPECT_EQ(archive["outputs"][films.dir / "archive"]["known_by"], "content");
  EXPECT_EQ(import["metrics"].at("reports read"), 24) << import["metrics"];
  EXPECT_GT(import["history"][0]["seconds"], 0);
  EXPECT_GT(import["history"][0]["peak_bytes"], 1 << 20);
}

TEST(Pipeline, ForetellsTimeAndMemoryFromEarlierRuns) {
  const FilmSteps films, larger;
  EXPECT_NE(films.run({"--dry-run"}).out.find("not known yet"), std::string::npos);
  ASSERT_EQ(films.run().code, 0);
  const auto dry = done(larger.run({"--dry-run", "--json", "--earlier", films.dir / "records"}));
  EXPECT_TRUE(dry["metrics"]["steps"]["archive"].contains("seconds")) << dry;
  EXPECT_TRUE(dry["metrics"]["steps"]["prepare"]["peak_bytes"] > 1 << 20) << dry;
  const Outcome text = films.run({"--dry-run", "--force", "archive", "--set", "patients=30"});
  EXPECT_NE(text.out.find("* from runs with other options"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("3 of 3 steps would run, in 0:0"), std::string::npos) << text.out;
}

TEST(Pipeline, EventsOfStepsAreHandedOn) {
  const FilmSteps films;
  const Outcome run = films.run({"--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto of_step = events(run, "of_step"), steps = events(run, "step");
  ASSERT_EQ(of_step.size(), 3u);
  EXPECT_EQ(of_step[1]["step"], "import");
  EXPECT_EQ(of_step[1]["said"]["command"], "nodule import");
  ASSERT_EQ(steps.size(), 6u);
  EXPECT_EQ(steps[5]["state"], "ended");
  EXPECT_EQ(last_event(run)["metrics"]["ran"], 3);
  const Outcome words = films.run({"--force", "import"});
  EXPECT_NE(words.out.find("[1/3] archive: up to date"), std::string::npos) << words.out;
  EXPECT_NE(words.out.find("[2/3] import: --force"), std::string::npos) << words.out;
  EXPECT_NE(words.out.find("1 of 3 steps ran"), std::string::npos) << words.out;
}

// Whatever the moment, the same command again ends in the same files, and no process stays behind.
TEST(Pipeline, KilledAtRandomEndsInTheSameFiles) {
  const FilmSteps whole;
  const auto began = std::chrono::steady_clock::now();
  ASSERT_EQ(whole.run().code, 0);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const char* wanted = std::getenv("GADOLIN_KILLS");
  const int kills = wanted ? std::atoi(wanted) : 4;
  std::string want = whole.made();
  const FilmSteps films;
  for (std::size_t at; (at = want.find(whole.dir.path())) != std::string::npos;)
    want.replace(at, whole.dir.path().size(), films.dir.path());
  for (int i = 0; i < kills; ++i) {
    const double after = seconds * static_cast<double>(uniform_at(23, static_cast<std::uint64_t>(i), 0));
    const Outcome killed = films.run({}, {.signal = SIGKILL, .after = after});
    ASSERT_TRUE(killed.code == 128 + SIGKILL || killed.code == 0) << killed.err;
    if (i % 2 == 1) continue;
    const Outcome again = films.run();
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_TRUE(films.made() == want) << "kill " << i << " after " << after << " s";
    for (const char* folder : {"archive", "openi", "labelled"}) fs::remove_all(films.dir / folder);
  }
}

TEST(Pipeline, AStopIsPassedOnAndSaid) {
  const FilmSteps films;
  const Outcome run =
      films.run({"--set", "patients=3000"},
                {.signal = SIGTERM, .after = 0.3, .once = films.dir / "records/archive.json"});
  EXPECT_EQ(run.code, 75) << run.err;
  EXPECT_NE(run.err.find("pipeline: step archive was stopped; start the same command again [GD-STOPPED-001]"),
            std::string::npos)
      << run.err;
  EXPECT_EQ(films.whys({"--dry-run"}).find("archive: did not end\n"), 0u);
  EXPECT_EQ(films.run().code, 0);
}

TEST(Pipeline, OneAtATime) {
  const FilmSteps films;
  Outcome first;
  std::thread other([&] {
    first =
        films.run({"--set", "patients=3000"}, {.signal = SIGTERM, .after = 0, .once = films.dir / "enough"});
  });
  for (int i = 0; i < 12000 && !fs::exists(films.dir / "records/archive.json"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const Outcome second = films.run();
  std::ofstream(films.dir / "enough") << "x";
  other.join();
  EXPECT_EQ(second.code, 6);
  EXPECT_EQ(second.err, "gadolin: pipeline: another process works on " + films.dir / "records" +
                            "; wait for it or stop it [GD-FILE-003]\n");
}

}  // namespace
