// What a file of a pipeline may not say: one line each, before anything runs.
#include <gtest/gtest.h>

#include "apps/pipeline/step_process.h"
#include "tests/apps/in_process.h"
#include "tests/apps/pipeline/films.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

struct PipelineMistakes : testing::Test {
  std::string said(const std::string& text, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"pipeline",  "run",           dir.write("p.toml", text),
                                  "--records", dir / "records", "--dry-run"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome run = run_here(args);
    EXPECT_NE(run.code, 0) << text;
    return last_line(run, dir.path());
  }
  // A file of steps that make and read things; the command is one that takes any path.
  static std::string step(const std::string& name, const std::string& inputs, const std::string& outputs,
                          const std::string& command = "data stats films") {
    return "[" + name + "]\nrun = '" + command + "'\ninputs = [" + inputs + "]\noutputs = [" + outputs +
           "]\n";
  }
  Scratch dir;
  const std::string at = "pipeline: DIR/p.toml:", end = " [GD-USAGE-001]";
};

TEST_F(PipelineMistakes, Lines) {
  EXPECT_EQ(said("run = 'data stats films'\n"),
            at + "1: no step is the section of this line; a step is named by a line like [train-net]" + end);
  EXPECT_EQ(said("[Train]\nrun = 'data stats films'\n"),
            at + "2: [Train] is the section of this line; a step is named by a line like [train-net]" + end);
  EXPECT_EQ(said("[a]\nrun data\n"),
            at + "2: run data is not NAME = VALUE; texts with blanks stand in quotes" + end);
  EXPECT_EQ(said("[a]\nrun = ['data',\n'stats'\n"),
            at + "2: run = ['data', is not NAME = VALUE; texts with blanks stand in quotes" + end);
  EXPECT_EQ(said("[a]\nrum = 'data stats films'\n"), at + "2: a step has no rum; did you mean run?" + end);
  EXPECT_EQ(said("[a]\nshell = 'rm'\n"),
            at + "2: a step has no shell; it has run, inputs, outputs and resume" + end);
  EXPECT_EQ(said("[a]\nresume = maybe\n"),
            at + "2: resume is true or false, not maybe; write resume = true" + end);
  EXPECT_EQ(said("[a]\nresume = [true, true]\n"),
            at + "2: resume is one value; leave out the brackets" + end);
  EXPECT_EQ(said("[a]\nrun = 'data stats films'\noutputs = ['']\n"),
            at + "3: a path of outputs is empty; leave it out" + end);
  EXPECT_EQ(
      said("[a]\nrun = 'data stats films'\nrun = 'data stats films'\n"),
      at + "3: run of a was given in line 2 already; leave one out, or give the step another name" + end);
  EXPECT_EQ(said("# nothing\n"), "pipeline: DIR/p.toml: there is no step; docs/pipeline.md shows one" + end);
  EXPECT_EQ(said("[a]\noutputs = ['x']\n"),
            "pipeline: DIR/p.toml: step a has no command; write run = \"data stats films\"" + end);
  EXPECT_EQ(said("[a]\nrun = 'data stats films'\n"),
            "pipeline: DIR/p.toml: step a makes nothing; name its outputs, so that it can be told whether it "
            "ran" +
                end);
}

TEST_F(PipelineMistakes, Commands) {
  EXPECT_EQ(said("[a]\nrun = ''\n"), at + "2: run names no command; write run = \"data stats films\"" + end);
  EXPECT_EQ(said("[a]\nrun = 'pipeline run p.toml'\n"),
            at + "2: a step runs no pipeline; write its steps into this file" + end);
  EXPECT_EQ(said("[a]\nrun = 'data stats \"films'\n"), at + "2: a quote of run does not end; close it" + end);
  EXPECT_EQ(said("[a]\nrun = 'data statz films'\n"),
            at + "2: unknown command data statz; did you mean stats?" + end);
  EXPECT_EQ(said("[a]\nrun = 'train films --epoch 3'\n"),
            at + "2: unknown option --epoch; did you mean --epochs?" + end);
  EXPECT_EQ(said("[a]\nrun = 'train films --out r --epochs 0'\n"),
            at + "2: --epochs 0 is not in 1..1000000000" + end);
  EXPECT_EQ(said("[a]\nrun = 'train --help'\n"),
            at + "2: --help and --version ask for no work; leave them out" + end);
}

TEST_F(PipelineMistakes, Values) {
  EXPECT_EQ(said("[values]\ndata = 'ct'\ndata = 'ct'\n"),
            at + "3: data has a value already; leave one out" + end);
  EXPECT_EQ(
      said("[a]\nrun = 'data stats {data}'\n"),
      at + "2: there is no value {data}; give it in the section [values], or with --set data=..." + end);
  EXPECT_EQ(
      said("[values]\ndata = 'ct'\n", {"--set", "date=x"}),
      "pipeline: --set date=x is not NAME=VALUE of DIR/p.toml's [values]; change a name that stands there" +
          end);
  EXPECT_EQ(said(step("a", "", "'x'"), {"--from", "b"}),
            "pipeline: --from b is no step; the steps are a" + end);
  EXPECT_EQ(said(step("train", "", "'x'"), {"--force", "trian"}),
            "pipeline: --force trian is no step; did you mean train?" + end);
  EXPECT_EQ(said(step("a", "", "'x'") + step("b", "'x'", "'y'"), {"--from", "b", "--until", "a"}),
            "pipeline: --from b comes after --until a; exchange them" + end);
  EXPECT_EQ(said(step("a", "", "'x'"), {"--earlier", dir / "none"}),
            "pipeline: --earlier DIR/none is no folder; name the .records of another run" + end);
}

TEST_F(PipelineMistakes, Paths) {
  const std::string p = "pipeline: DIR/p.toml";
  EXPECT_EQ(said(step("a", "'z'", "'x'") + step("b", "'x'", "'y'") + step("c", "'y/in'", "'z'")),
            p + ": steps wait for one another: a -> b -> c -> a; one of them must read something else" + end);
  EXPECT_EQ(said(step("a", "", "'x'") + step("b", "", "'x/y.csv'")),
            p + ": step a makes x and step b makes x/y.csv; a file is made by one step" + end);
  EXPECT_EQ(said(step("a", "'x/../x/y'", "'x'")),
            p + ": step a reads x/../x/y and makes x; let it write elsewhere" + end);
  EXPECT_EQ(said(step("a", "", "'.'")),
            p + ": step a makes ., in which this pipeline runs; name what it makes there" + end);
  EXPECT_EQ(said(step("a", "", "'x'") + step("b", "", "'y'", "data stats x/table.csv")),
            p + ": step b names x/table.csv, which step a makes; add it to its inputs" + end);
  EXPECT_EQ(said(step("a", "'none.zip'", "'x'")),
            "pipeline: step a reads none.zip, which is not there, and no step makes it; put it there, or "
            "correct the path" +
                end);
  EXPECT_EQ(
      said(step("a", "", "'nox'") + step("b", "'nox'", "'y'"), {"--from", "b"}),
      "pipeline: step b reads nox, which step a has not made; leave out --from, or begin with that step" +
          end);
  EXPECT_EQ(said(step("a", "", "'" + dir / "records/a" + "'")),
            "pipeline: step a makes DIR/records/a, which is the pipeline's own; name another place" + end);
  dir.write("there", "of the user");
  EXPECT_EQ(said(step("a", "", "'" + dir / "there" + "'")),
            "pipeline: step a makes DIR/there, which is there, and no run of this pipeline made it; move it "
            "away, or let the step write elsewhere" +
                end);
  EXPECT_EQ(contents_of(dir / "there"), "of the user");
}

TEST(PipelineRuns, WhatAStepDoesWrong) {
  const FilmSteps films;
  std::filesystem::create_directory(films.dir / "records");
  films.dir.write("records/archive.json", "{}");
  EXPECT_EQ(last_line(films.run(), films.dir.path()),
            "pipeline: DIR/records/archive.json is no record of a step; remove it, and the step runs again "
            "[GD-FORMAT-001]");
  std::filesystem::remove_all(films.dir / "records");

  const auto run = [&](const std::string& text) {
    const Outcome outcome = run_program(
        {"pipeline", "run", films.dir.write("p.toml", text), "--records", films.dir / "r", "--quiet"});
    EXPECT_NE(outcome.code, 0);
    std::filesystem::remove_all(films.dir / "r");
    return last_line(outcome, films.dir.path());
  };
  const auto synth = [&](const std::string& outputs) {
    std::filesystem::remove_all(films.dir / "x");
    return "[a]\nrun = 'data synth " + films.dir / "x --samples 24 --patients 12 --classes 2 --size 8'\n" +
           "outputs = ['" + films.dir / outputs + "']\n";
  };
  EXPECT_EQ(
      run(synth("made")),
      "pipeline: step a ended and has not made DIR/made; correct its outputs in the file [GD-DATA-001]");
  EXPECT_EQ(run(synth("x") + "[b]\nrun = 'data stats films'\ninputs = ['" + films.dir / "x/none.csv']\n" +
                "outputs = ['y']\n"),
            "pipeline: step b reads DIR/x/none.csv, which the steps before it have not made; correct their "
            "outputs [GD-DATA-001]");
  EXPECT_EQ(run("[a]\nrun = 'data stats " + films.dir / "none.csv'\noutputs = ['y']\n").substr(0, 39),
            "pipeline: step a: dataset: DIR/none.csv");
}

TEST(PipelineRuns, HowAStepEnded) {
  const auto said = [](const pipeline::StepRun& run) {
    try {
      pipeline::check_end("pipeline: step a", run);
    } catch (const Error& error) {
      return std::string(error.what()) + " [" + error.code() + "]";
    }
    return std::string();
  };
  EXPECT_EQ(said({0, 1, 1, {}}), "");
  EXPECT_EQ(said({75, 1, 1, {}}),
            "pipeline: step a was stopped; start the same command again [GD-STOPPED-001]");
  EXPECT_EQ(said({137, 1, 1, {}}),
            "pipeline: step a was killed, as the system does when memory is short; start the same command "
            "again [GD-PROCESS-001]");
  EXPECT_EQ(said({139, 1, 1, {}}),
            "pipeline: step a ended with code 139 and said nothing; run its command by itself "
            "[GD-PROCESS-001]");
  EXPECT_EQ(said({6, 1, 1, {{"event", "error"}, {"code", "GD-FILE-003"}, {"message", "m"}, {"hint", "h"}}}),
            "pipeline: step a: m; h [GD-FILE-003]");
}

}  // namespace
