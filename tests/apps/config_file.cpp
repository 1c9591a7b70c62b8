// The file of --config: what is taken from it, and what is refused.
#include <gtest/gtest.h>

#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"

using namespace gadolin;
using namespace gadolin::test;

namespace {

struct ConfigFiles : testing::Test {
  Outcome synth(const std::string& text, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"data", "synth", "--config", dir.write("c.toml", text), "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  std::string refused(const std::string& text) {
    const Outcome run = synth(text, {dir / "never"});
    EXPECT_EQ(run.code, 2) << text;
    EXPECT_FALSE(std::filesystem::exists(dir / "never")) << text;
    return last_line(run, dir.path());
  }
  Scratch dir;
};

TEST_F(ConfigFiles, NamesInSectionsWithDotsAndUnderscores) {
  const std::string files[] = {
      "data.synth.samples=12\ndata.synth.patients = 12  # "
      "few\ndata.synth.classes=2\ndata.synth.size=8\nseed=3\n",
      "\xef\xbb\xbf# films\r\n\r\n[data.synth]\r\nsamples = '12'\r\npatients=\"12\"\r\nclasses = "
      "2\r\nsize=8\r\n"
      "seed = 3\r\n",
      "[ data ]\nsynth.samples = 12\nsynth.patients=12\n[data.synth]  # "
      "more\nclasses=2\nsize=8\nmulti_label=false\n"
      "seed=3\n",
  };
  std::string first;
  for (const std::string& text : files) {
    const Outcome run = synth(text, {dir / "set"});
    ASSERT_EQ(run.code, 0) << text << run.err;
    const std::string made =
        contents_of(dir / "set/manifest.csv") + contents_of(dir / "set/images/000003.png");
    if (first.empty()) first = made;
    EXPECT_TRUE(made == first) << text;
    std::filesystem::remove_all(dir / "set");
  }
  EXPECT_EQ(synth("data.synth.samples=12\n", {dir / "set", "--samples", "13", "--patients", "12"}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(dir / "set/images/000012.png")) << "the command line wins";
}

TEST_F(ConfigFiles, UnknownNamesAreRefusedWithTheirLine) {
  const std::string at = "config: DIR/c.toml:", end = " [GD-USAGE-001]";
  EXPECT_EQ(refused("# films\ndata.synth.sample=4\n"),
            at + "2: there is no option data.synth.sample; did you mean data.synth.samples?" + end);
  EXPECT_EQ(refused("[data.synth]\nsamples=4\nsmaples=4\n"),
            at + "3: there is no option data.synth.smaples; did you mean data.synth.samples?" + end);
  EXPECT_EQ(refused("samples=4\n"),
            at + "1: there is no option samples; did you mean data.synth.samples?" + end);
  EXPECT_EQ(refused("seeds=4\n"), at + "1: there is no option seeds; did you mean seed?" + end);
  EXPECT_EQ(refused("trian.epochs=4\n"),
            at + "1: there is no option trian.epochs; did you mean train.epochs?" + end);
  EXPECT_EQ(refused("colour_of_the_sky=1\n"),
            at + "1: there is no option colour-of-the-sky; gadolin COMMAND --help lists them" + end);
  EXPECT_EQ(refused("config='c.toml'\n").find(at + "1: there is no option config; "), 0u);
  EXPECT_EQ(refused("help=true\n").find(at + "1: there is no option help; "), 0u);
}

TEST_F(ConfigFiles, OtherLinesAreRefused) {
  const std::string at = "config: DIR/c.toml:", end = " [GD-USAGE-001]";
  for (const std::string line :
       {"data.synth.samples 4", "data.synth.samples", "data.synth.samples =", "= 4",
        "data.synth.samples = 4 5", "data.synth.samples = \"4", "data.synth.samples = \"4\" 5",
        "data.synth.samples = [4", "]", "data.synth.samples = [4 5]", "data.synth.samples = ['4' '5']"})
    EXPECT_EQ(refused("\n" + line + "\n"),
              at + "2: " + line + " is not NAME = VALUE; texts with blanks stand in quotes" + end);
  EXPECT_EQ(refused("[data.synth\nsamples=4\n"),
            at + "1: [data.synth is no section; write it as [train]" + end);
  EXPECT_EQ(refused("[data] synth\n"), at + "1: [data] synth is no section; write it as [train]" + end);
  EXPECT_EQ(refused("data.synth.samples=4\nseed=1\n[data.synth]\nsamples=5\n"),
            at + "4: data.synth.samples was given in line 1 already; leave one out" + end);
  EXPECT_EQ(
      refused("data.synth.multi-label=perhaps\n"),
      at + "1: data.synth.multi-label is true or false, not perhaps; write data.synth.multi-label = true" +
          end);
  EXPECT_EQ(refused("json=[1, 0]\n"), at + "1: json is true or false, not a list; write json = true" + end);
}

TEST_F(ConfigFiles, ListsAndTextsWithSigns) {
  // A list reaches an option that takes several; # and blanks in quotes are a part of the text.
  const Outcome run = run_here({"predict", "--config",
                                dir.write("p.toml",
                                          "[predict]\nfiles=['a # b.png', c.png,]\n"
                                          "checkpoint = \"no such # file.gdck\"\n")});
  EXPECT_EQ(run.code, 6);
  EXPECT_NE(run.err.find("no such # file.gdck"), std::string::npos) << run.err;
}

}  // namespace
