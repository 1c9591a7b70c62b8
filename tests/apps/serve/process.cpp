// gadolin serve as a user starts and stops it.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "tasks/detection/detection.h"
#include "tests/apps/in_process.h"
#include "tests/apps/serve/serving.h"

namespace gadolin::test {
namespace {

using std::string;

string png_text(int width, int height) {
  const auto png = encode_png(pattern(width, height, 1));
  return {png.begin(), png.end()};
}

TEST(ServeProcess, F11AnswersHaveTheBitsOfPredictAndEval) {
  const Scratch dir;
  std::vector<FormPart> films;
  std::vector<string> args{"predict"};
  string table = "path,labels\n";
  for (int i = 0; i < 12; ++i) {
    const string name = cat("film", i, ".png");
    // A checkerboard of 1001 x 777 pixels among films of other sizes.
    Image board = i == 0 ? Image(1001, 777, 1) : pattern(90 + 7 * i, 60 + i, 1);
    if (i == 0)
      for (int y = 0; y < 777; ++y)
        for (int x = 0; x < 1001; ++x)
          board.pixels[static_cast<std::size_t>(y * 1001 + x)] = (x + y) % 2 ? 255 : 0;
    dir.write(name, encode_png(board));
    films.push_back({"file", name, contents_of(dir / name)});
    args.push_back(dir / name);
    table += name + (i % 3 == 0 ? ",a\n" : i % 3 == 1 ? ",b\n" : ",c\n");
  }
  dir.write("films.csv", table);
  args.insert(args.end(), {"--checkpoint", classifier_checkpoint(), "--json", "--device", "cpu"});
  const auto predicted = events(run_here(args), "prediction");
  ASSERT_EQ(predicted.size(), films.size());
  Serving server({.checkpoints = {"c=" + classifier_checkpoint()}});
  const Json served = json_of(server.client().post_form(analysis, films));  // in batches
  ASSERT_EQ(served["results"].size(), films.size()) << served.dump();
  for (std::size_t i = 0; i < films.size(); ++i)
    for (const char* name : {"a", "b", "c"})
      EXPECT_EQ(served["results"][i]["probabilities"][name].get<double>(),
                predicted[i]["probabilities"][name].get<double>())
          << i;
  ASSERT_EQ(run_here({"eval", dir / "films.csv", "--checkpoint", classifier_checkpoint(), "--out",
                      dir / "out", "--device", "cpu", "--split", "all"})
                .code,
            0);
  const auto rows = table_of(contents_of(dir / "out/predictions.csv"), ',');
  const auto column = std::find(rows[0].begin(), rows[0].end(), "a") - rows[0].begin();
  ASSERT_LT(column, std::ssize(rows[0])) << contents_of(dir / "out/predictions.csv").substr(0, 200);
  for (std::size_t i = 0; i < films.size(); ++i)
    EXPECT_EQ(std::stof(rows[i + 1][static_cast<std::size_t>(column)]),
              served["results"][i]["probabilities"]["a"].get<float>());
}

TEST(ServeProcess, F9NotReadyBeforeATestInferenceAndAfterAFailedLoad) {
  // Before it is loaded.
  Serving empty({.load = false});
  HttpClient client = empty.client();
  EXPECT_EQ(client.get("/healthz").status, 200);
  const HttpReply early = client.get("/v2/health/ready");
  EXPECT_EQ(early.status, 503);
  EXPECT_EQ(json_of(early)["error"], "model meter is being loaded; ask again later");
  EXPECT_EQ(client.post_form(analysis, {{"file", "f", grey_film(1)}}).status, 503);
  EXPECT_EQ(client.get("/v2/models/meter/ready").status, 503);
  EXPECT_EQ(json_of(client.get("/version"))["ready"], false);
  empty.models().all()[0]->load();
  EXPECT_EQ(client.get("/v2/health/ready").status, 200);
  // A truncated checkpoint beside a good one: the good one serves, the server is not ready, the log says why.
  const Scratch dir;
  const string whole = contents_of(classifier_checkpoint());
  dir.write("cut.gdck", std::string_view(whole).substr(0, whole.size() / 2));
  ServerProcess both(
      {"--checkpoint", "good=" + classifier_checkpoint(), "--checkpoint", "cut=" + dir / "cut.gdck"});
  ASSERT_GT(both.port(), 0) << both.said();
  ASSERT_TRUE(Serving::soon([&] {
    return both.said().find("model cut could not be loaded: GD-CKPT") != string::npos;
  })) << both.said();
  HttpClient to = both.client();
  EXPECT_TRUE(Serving::soon([&] { return to.get("/v2/models/good/ready").status == 200; })) << both.said();
  const HttpReply ready = to.get("/v2/health/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(json_of(ready)["error"], "model cut could not be loaded; the server's log says why");
  EXPECT_EQ(ready.body.find(dir.path()), string::npos) << "no path in an answer";
  both.signal(SIGTERM);
  EXPECT_EQ(both.wait(), 0);
  // Alone it ends the server, with the code of its error.
  ServerProcess alone({"--checkpoint", dir / "cut.gdck"});
  EXPECT_EQ(alone.wait(), 6) << alone.said();
}

TEST(ServeProcess, ANetThatAnswersNaNIsNeverReady) {
  const Scratch dir;
  ClassificationTask task("resnet18", {{"width", 4.0}, {"num_classes", 2.0}, {"input_channels", 1.0}},
                          {"a", "b"}, false, Pipeline("grey,resize:32x32"));
  for (const Parameter& p : task.net().state())
    if (p.name == "fc.bias") p.tensor.detach().fill_(NAN);
  save_task_as(dir / "nan.gdck", task);
  serve::Models models({dir / "nan.gdck"}, {});
  EXPECT_EQ(message_of<NumericError>([&] { models.all()[0]->load(); }),
            "serve: the test inference of " + dir / "nan.gdck" +
                " gives NaN or infinity as logits; train it again, or serve an earlier checkpoint");
  EXPECT_FALSE(models.ready());
}

TEST(ServeProcess, F12SigtermAnswersWhatIsUnderWayAndEndsWith0) {
  ServerProcess server({"--checkpoint", "c=" + classifier_checkpoint()});
  ASSERT_TRUE(server.ready()) << server.said();
  std::atomic<int> answered = 0, refused = 0, other = 0;
  std::vector<std::thread> uploads;
  const string film = png_text(1200, 900);
  for (int i = 0; i < 20; ++i) {
    uploads.emplace_back([&] {
      try {
        HttpClient client = server.client();
        const string text =
            client.text_of("POST", analysis, {{"Content-Type", form_type}}, form_body({{"file", "f", film}}));
        for (std::size_t at = 0; at < text.size(); at += 100000) {
          client.send(std::string_view(text).substr(at, 100000));
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        const int status = client.reply().status;
        ++(status == 200 ? answered : status == 503 ? refused : other);
      } catch (const FileError&) {
        ++other;
      }
    });
  }
  Serving::soon([&] {
    return server.client().get("/metrics").body.find("gadolin_requests_active 21") != string::npos ||
           answered > 0;
  });
  server.signal(SIGTERM);
  for (std::thread& t : uploads) t.join();
  EXPECT_EQ(server.wait(), 0) << server.said();
  EXPECT_EQ(other, 0) << answered << " " << refused;
  EXPECT_GT(answered, 0);
  EXPECT_NE(server.said().find("ended by SIGTERM, every answer given"), string::npos) << server.said();
}

TEST(ServeProcess, Tls) {
  ServerProcess server({"--checkpoint", "c=" + classifier_checkpoint(), "--certificate",
                        fixture("serve/certificate.pem"), "--key", fixture("serve/key.pem")});
  ASSERT_GT(server.port(), 0) << server.said();
  EXPECT_NE(server.said().find("https://127.0.0.1:"), string::npos);
  HttpClient plain = server.client(2);
  EXPECT_THROW(plain.get("/healthz"), FileError);  // nothing is said in the clear
  if (std::system("curl --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no curl to speak TLS with";
  const Scratch dir;
  EXPECT_EQ(std::system(cat("curl -s --cacert '", fixture("serve/certificate.pem"),
                            "' https://localhost:", server.port(), "/healthz > '", dir / "said.json", "'")
                            .c_str()),
            0);
  EXPECT_EQ(contents_of(dir / "said.json"), "{\"status\":\"ok\"}\n");
}

TEST(ServeProcess, MistakesEndItBeforeItServes) {
  const Scratch dir;
  dir.write("empty.txt", " \n");
  dir.write("no.pem", "x");
  const string checkpoint = classifier_checkpoint();
  HttpClient nobody("127.0.0.1", 1, 1);
  EXPECT_EQ(
      message_of<FileError>([&] { nobody.get("/"); }),
      "http: nothing listens on 127.0.0.1 port 1 (Connection refused); start gadolin serve, or see --url");
  for (const Mistake& m : {
           Mistake{{"--checkpoint", dir / "none.gdck"},
                   6,
                   "serve: --checkpoint DIR/none.gdck is no file; give a checkpoint, such as "
                   "runs/view/checkpoints/best.gdck"},
           Mistake{{"--checkpoint", "a b=" + checkpoint},
                   2,
                   "serve: --checkpoint a b=" + checkpoint +
                       " names a model a b; use letters, digits, point, underscore and hyphen"},
           Mistake{
               {"--checkpoint", "a=" + checkpoint, "--checkpoint", "a=" + checkpoint},
               2,
               "serve: two checkpoints are called a; name them, as in --checkpoint one=A.gdck --checkpoint "
               "two=B.gdck"},
           Mistake{
               {"--checkpoint", checkpoint, "--max-held-mb", "1"},
               2,
               "serve: --max-held-mb 1 is below --max-upload-mb 64; no request of that size could be taken"},
           Mistake{{"--checkpoint", checkpoint, "--queue", "10"},
                   2,
                   "serve: --max-files 16 is above --queue 10; no request of so many could be taken"},
           Mistake{{"--checkpoint", checkpoint, "--key", dir / "no.pem"},
                   2,
                   "serve: --certificate and --key belong together, and there is only the second"},
           Mistake{{"--checkpoint", checkpoint, "--certificate", dir / "no.pem", "--key", dir / "no.pem",
                    "--port", "0"},
                   2,
                   "serve: --certificate and --key do not fit each other, or are no PEM files; openssl x509 "
                   "and openssl "
                   "pkey show what they hold"},
           Mistake{{"--checkpoint", checkpoint, "--token-file", dir / "empty.txt"},
                   2,
                   "serve: --token-file DIR/empty.txt is empty; it must hold what it is for"},
           Mistake{{"--checkpoint", checkpoint, "--host", "no such host"},
                   2,
                   "serve: --host no such host is not known (Name or service not known); give an address of "
                   "this machine, "
                   "such as 127.0.0.1 or 0.0.0.0"},
       }) {
    std::vector<string> args{"serve", "--device", "cpu"};
    args.insert(args.end(), m.args.begin(), m.args.end());
    const Outcome run = run_here(args);
    EXPECT_EQ(last_line(run, dir.path()), m.want + (m.code == 6 ? " [GD-FILE-001]" : " [GD-USAGE-001]"));
    EXPECT_EQ(run.code, m.code) << run.err;
  }
}

TEST(ServeProcess, APortThatIsTaken) {
  Serving busy({.checkpoints = {"meter=" + meter_checkpoint()}});
  const string port = cat(busy.port());
  string said =
      last_line(run_here({"serve", "--checkpoint", classifier_checkpoint(), "--port", port}), "DIR");
  said.replace(said.find(port), port.size(), "PORT");
  EXPECT_EQ(
      said,
      "serve: cannot listen on 127.0.0.1 port PORT (Address already in use); end what listens there, or give "
      "another --port [GD-USAGE-001]");
}

TEST(ServeProcess, ADetectorAnswersWithItsBoxes) {
  const Scratch dir;
  manual_seed(6);
  DetectorSettings settings;
  settings.detect.score = 0;
  DetectionTask task("retinanet_resnet18_fpn", {{"width", 8.0}, {"channels", 32.0}, {"input_channels", 1.0}},
                     settings, {"mass", "cyst"}, Pipeline("grey,fit:64:96,normalize:0.5:0.25"));
  save_task_as(dir / "boxes.gdck", task);
  std::vector<FormPart> films;
  std::vector<string> args{"predict"};
  for (int i = 0; i < 3; ++i) {
    const string name = cat("film", i, ".png");
    films.push_back({"file", name, png_text(100 + 20 * i, 90)});
    args.push_back(dir.write(name, films.back().bytes));
  }
  args.insert(args.end(), {"--checkpoint", dir / "boxes.gdck", "--json", "--device", "cpu"});
  const auto predicted = events(run_here(args), "prediction");
  ASSERT_EQ(predicted.size(), 3u);
  Serving server({.checkpoints = {dir / "boxes.gdck"}});
  const Json said = json_of(server.client().post_form(analysis, films));
  ASSERT_EQ(said["results"].size(), 3u) << said.dump();
  EXPECT_EQ(said["task"], "detection");
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(nlohmann::json::parse(said["results"][i]["boxes"].dump()), predicted[i]["boxes"]) << i;
    EXPECT_GT(said["results"][i]["boxes"].size(), 0u);
    EXPECT_TRUE(said["results"][i]["score_threshold"].is_null());
  }
  const HttpReply none = server.client().post_form("/heatmap", {films[0]});
  EXPECT_EQ(json_of(none)["error"],
            "model boxes is a detector, whose boxes show where; heat maps are of classifiers");
  task.remember("tiles", "2x2");
  save_task_as(dir / "tiles.gdck", task);
  serve::Models models({dir / "tiles.gdck"}, {});
  EXPECT_EQ(message_of<Unsupported>([&] { models.all()[0]->load(); }),
            "serve: " + dir / "tiles.gdck" + " is a detector that looks at tiles; gadolin predict reads it");
}

// Texts that need circumstances a test cannot make: a library without TLS, a system without descriptors.
TEST(ServeProcess, TextsOfOtherBuilds) {
  const char* const texts[] = {
      "serve: this libmicrohttpd was built without TLS; put a proxy in front of the server",
      "serve: this build has no libmicrohttpd; install libmicrohttpd-dev and configure again",
      "serve: the server could not start; are there too many open files?",
  };
  for (const char* text : texts) EXPECT_TRUE(string(text).starts_with("serve: "));
}

}  // namespace
}  // namespace gadolin::test
