// docs/serve.md: every block of the page, in its order.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>

#include "tests/apps/page.h"
#include "tests/apps/program.h"
#include "tests/apps/serve/serving.h"

namespace gadolin::test {
namespace {

using std::string;

// Every name of the example is a name of what the server said.
void expect_same_names(const Json& example, const Json& said, const string& place) {
  if (example.is_object()) {
    for (const auto& [name, value] : example.items()) {
      if (said.is_object() && !said.contains(name) && (name == "thresholds" || name == "positive")) continue;
      if (place.ends_with(".probabilities") || place.ends_with(".thresholds")) continue;  // names of classes
      ASSERT_TRUE(said.is_object() && said.contains(name)) << place << "." << name << " " << said.dump();
      expect_same_names(value, said[name], place + "." + name);
    }
  } else if (example.is_array() && !example.empty() && example[0].is_object() && !said.empty()) {
    expect_same_names(example[0], said[0], place + "[0]");
  }
}

TEST(ServeDocument, EveryBlockRuns) {
  if (std::system("curl --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no curl";
  const Scratch dir;
  namespace fs = std::filesystem;
  fs::create_directory_symlink(in_repository("examples"), dir / "examples");
  fs::copy_file(fixture("serve/certificate.pem"), dir / "certificate.pem");
  fs::copy_file(fixture("serve/key.pem"), dir / "key.pem");
  dir.write("token.txt", "a token\n");
  fs::copy_file(fs::directory_iterator(examples("cxr-nih14-small/images"))->path(), dir / "film.jpg");
  std::unique_ptr<ServerProcess> server;
  int runs = 0;
  std::vector<Json> examples_of_answers;
  for (const PageBlock& block : blocks_of("serve.md")) {
    if (block.kind == "json") {
      examples_of_answers.push_back(Json::parse(block.text));
      continue;
    }
    if (block.text.starts_with("gadolin serve")) {
      std::istringstream words(std::regex_replace(block.text.substr(14), std::regex("--port [0-9]+"), ""));
      std::vector<string> args;
      for (string word; words >> word;)
        args.push_back(
            std::regex_replace(word, std::regex("runs/|token.txt|certificate.pem|key.pem"), dir / "$&"));
      auto started = std::make_unique<ServerProcess>(args);
      ASSERT_GT(started->port(), 0) << block.text << started->said();
      if (server == nullptr) {
        server = std::move(started);
        ASSERT_TRUE(server->ready());
      }
    } else {
      string script = std::regex_replace(block.text, std::regex("curl "), "curl -sS --fail-with-body ");
      if (server != nullptr)
        script = std::regex_replace(script, std::regex("127.0.0.1:2006"), cat("127.0.0.1:", server->port()));
      script = std::regex_replace(script, std::regex("--requests [0-9]+"), "--requests 60");
      script = std::regex_replace(script, std::regex("0 --malformed [0-9]+"), " --malformed 20");
      script = std::regex_replace(script, std::regex("gadolin train (\\S+)"),
                                  "gadolin train $1 --max-steps 2 --device cpu");
      ASSERT_EQ(shell(dir, script), "") << script;
    }
    ++runs;
  }
  EXPECT_EQ(runs, 5);
  EXPECT_TRUE(contents_of(dir / "heat.png").starts_with("\x89PNG"));
  ASSERT_EQ(examples_of_answers.size(), 2u);
  HttpClient client = server->client();
  const Json said =
      json_of(client.post_form("/healthcare/mri/analysis",
                               {{"file", "a.jpg", contents_of(dir / "film.jpg")}, {"file", "b.txt", "b"}}));
  expect_same_names(examples_of_answers[0], said, "analysis");
  expect_same_names(examples_of_answers[1], json_of(client.get("/version")), "version");
  server->signal(SIGINT);
  EXPECT_EQ(server->wait(), 0);
}

}  // namespace
}  // namespace gadolin::test
