#include "tests/apps/serve/serving.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>

#include "nets/registry.h"
#include "tensor/ops.h"
#include "tests/apps/program.h"

namespace gadolin::test {
namespace {

const NetOptions narrow{{"width", 4.0}, {"num_classes", 64.0}, {"input_channels", 1.0}};

std::vector<std::string> grey_names() {
  std::vector<std::string> names;
  for (int i = 0; i < 64; ++i) names.push_back(cat("g", i));
  return names;
}

const Scratch& checkpoints_folder() {
  static const Scratch folder;
  return folder;
}

}  // namespace

std::atomic<int> Meter::milliseconds = 0;
std::atomic<bool> Meter::held = false;
std::atomic<std::int64_t> Meter::computed = 0;

Meter::Meter()
    : ClassificationTask("resnet18", narrow, grey_names(), false, Pipeline("grey,resize:8x8,normalize:0:1")) {
}

Outputs Meter::predict(const Batch& batch) {
  if (milliseconds > 0) std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  while (held) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const std::int64_t n = batch.size();
  computed += n;
  const auto values = batch["image"].to(cpu).to_vector<double>();
  const std::size_t row = values.size() / static_cast<std::size_t>(n);
  std::vector<float> logits(static_cast<std::size_t>(n) * 64, 0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    double mean = 0;
    for (std::size_t k = 0; k < row; ++k) mean += values[i * row + k] / static_cast<double>(row);
    require<DataError>(mean >= 0, "meter: a picture darker than black");
    logits[i * 64 + static_cast<std::size_t>(std::lround(mean * 255 / 4)) % 64] = 20;
  }
  return Outputs({{"logits", from_vector(logits, {n, 64})}});
}

std::string grey_film(int grey, int size) {
  Image picture(size, size, 1);
  std::fill(picture.pixels.begin(), picture.pixels.end(), static_cast<std::uint8_t>(4 * grey));
  const auto bytes = encode_png(picture);
  return {bytes.begin(), bytes.end()};
}

void save_task_as(const std::string& path, Task& task) {
  Checkpoint c;
  for (const Parameter& p : task.net().state()) c.tensors["model." + p.name] = p.tensor.detach();
  task.describe(c);
  save_checkpoint(path, c);
}

std::string meter_checkpoint() {
  static const std::string path = [] {
    add_task_kind({.name = "meter",
                   .make = [](const Checkpoint&, const std::string&) { return std::make_unique<Meter>(); },
                   .report = {}});
    Meter meter;
    save_task_as(checkpoints_folder() / "meter.gdck", meter);
    return checkpoints_folder() / "meter.gdck";
  }();
  return path;
}

std::string classifier_checkpoint() {
  static const std::string path = [] {
    manual_seed(3);
    ClassificationTask task("resnet18", {{"width", 8.0}, {"num_classes", 3.0}, {"input_channels", 1.0}},
                            {"a", "b", "c"}, false,
                            Pipeline("grey,resize:40,center-crop:32,normalize:0.5:0.25"));
    save_task_as(checkpoints_folder() / "classifier.gdck", task);
    return checkpoints_folder() / "classifier.gdck";
  }();
  return path;
}

std::string several_labels_checkpoint() {
  static const std::string path = [] {
    manual_seed(4);
    ClassificationTask task("resnet18", {{"width", 4.0}, {"num_classes", 2.0}, {"input_channels", 1.0}},
                            {"Effusion", "Hernia"}, true, Pipeline("grey,resize:32x32,normalize:0.5:0.25"));
    Operation operation;
    operation.thresholds.push_back({"Effusion", {}, 0.000001, "", 5, 5});
    operation.thresholds.push_back({"Hernia", {}, NAN, "no positive sample", 0, 10});
    task.operate(operation);
    save_task_as(checkpoints_folder() / "several.gdck", task);
    return checkpoints_folder() / "several.gdck";
  }();
  return path;
}

Serving::Serving(Served o) : models_(o.checkpoints, o.model) {
  Meter::milliseconds = 0;
  Meter::held = false;
  Meter::computed = 0;
  o.http.port = 0;
  application_ = std::make_unique<serve::Application>(models_, o.limits, o.http.limits, o.token, o.keep,
                                                      [this](const std::string& line) {
                                                        const std::lock_guard lock(mutex_);
                                                        log_ += line + "\n";
                                                      });
  if (o.load)
    for (const auto& model : models_.all()) model->load();
  server_ = std::make_unique<serve::HttpServer>(*application_, o.http);
  application_->count([this] { return server_->counts(); });
}

Serving::~Serving() {
  Meter::milliseconds = 0;
  Meter::held = false;
  server_.reset();
}

std::string Serving::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

double Serving::metric(const std::string& line) const {
  const std::string text = client().get("/metrics").body;
  const std::size_t at = text.find("\n" + line + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
}

ServerProcess::ServerProcess(std::vector<std::string> args) {
  args.insert(args.begin(), {GADOLIN_PROGRAM, "serve", "--port", "0", "--json", "--device", "cpu"});
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  const std::string out = dir_ / "out.txt";
  pid_ = fork();
  if (pid_ == 0) {
    const int file = open(out.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    dup2(file, 1);
    dup2(file, 2);
    execv(argv[0], argv.data());
    _exit(127);
  }
  Serving::soon([&] {
    const std::string text = said();
    const std::size_t at = text.find("\"port\":");
    if (at != std::string::npos && text.find('}', at) != std::string::npos)
      port_ = std::stoi(text.substr(at + 7));
    siginfo_t ended{};
    waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT);
    return port_ > 0 || ended.si_pid != 0;
  });
}

ServerProcess::~ServerProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool ServerProcess::ready() const {
  return Serving::soon([&] { return client().get("/v2/health/ready").status == 200; });
}

void ServerProcess::signal(int number) const { kill(pid_, number); }

int ServerProcess::wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string ServerProcess::said() const {
  return std::filesystem::exists(dir_ / "out.txt") ? contents_of(dir_ / "out.txt") : "";
}

Json json_of(const HttpReply& reply) {
  const Json json = Json::parse(reply.body, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << reply.status << " " << reply.body;
  return json;
}

}  // namespace gadolin::test
