// gadolin predict: probabilities of single files.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "apps/commands.h"
#include "apps/run/classifier.h"
#include "apps/train/commands.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string checkpoint;
  int top = 3;
};

// Folders become the images in them, .txt files the paths they list.
std::vector<std::string> expand(const std::vector<std::string>& given) {
  std::vector<std::string> files;
  for (const std::string& path : given) {
    if (std::filesystem::is_directory(path)) {
      std::vector<std::string> inside;
      for (const auto& entry : std::filesystem::directory_iterator(path)) {
        if (entry.is_regular_file() && detail::is_image_name(entry.path().filename().string())) inside.push_back(entry.path().string());
      }
      std::sort(inside.begin(), inside.end());
      files.insert(files.end(), inside.begin(), inside.end());
    } else if (path.ends_with(".txt")) {
      std::ifstream list(path);
      require<FileError>(list.good(), "predict: ", path, " cannot be read; does it exist?");
      for (std::string line; std::getline(list, line);) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (!line.empty()) files.push_back(line);
      }
    } else {
      files.push_back(path);
    }
  }
  return files;
}

void predict(Session& session, const Options& o) {
  Classifier classifier = load_classifier(o.checkpoint, session.device());
  const std::vector<std::string> files = expand(o.files);
  require<UsageError>(!files.empty(), "predict: no files to look at");
  std::vector<SampleInfo> samples;
  for (const std::string& file : files) {
    SampleInfo info;
    info.name = info.path = file;
    info.labels = {0};
    samples.push_back(info);
  }
  const Dataset set(classifier.classes, false, samples, "");
  const NoGrad guard;
  const ComputeScope compute(session.compute());
  std::vector<std::vector<std::string>> rows{{"file", "class", "probability", "next"}};
  std::int64_t failed = 0;
  std::string first_error;
  for (std::size_t i = 0; i < files.size(); ++i) {
    try {
      // One by one: a result then does not depend on what else was asked for.
      const auto one = set.subset(std::vector<std::int64_t>{static_cast<std::int64_t>(i)});
      DataLoader loader(*one, classifier.pipeline, {.batch_size = 1, .workers = 0, .device = session.device()});
      Batch batch;
      loader.next(batch);
      const std::vector<double> p = probabilities((*classifier.net)(batch.images), classifier.multi_label);
      std::vector<std::size_t> order(p.size());
      for (std::size_t k = 0; k < p.size(); ++k) order[k] = k;
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
      std::string next;
      for (std::size_t k = 1; k < order.size() && static_cast<int>(k) < o.top; ++k) {
        next += (next.empty() ? "" : ", ") + classifier.classes[order[k]] + " " + fixed(p[order[k]], 4);
      }
      rows.push_back({files[i], classifier.classes[order[0]], fixed(p[order[0]], 4), next});
      Json all = Json::object();
      for (std::size_t k = 0; k < p.size(); ++k) all[classifier.classes[k]] = p[k];
      session.event({{"event", "prediction"}, {"file", files[i]}, {"class", classifier.classes[order[0]]}, {"probabilities", all}});
    } catch (const Error& error) {
      if (error.exit_code() != Exit::data && error.exit_code() != Exit::file) throw;
      ++failed;
      if (first_error.empty()) first_error = error.message();
      session.log(error.what());
      session.event({{"event", "bad_sample"}, {"file", files[i]}, {"code", error.code()}, {"message", error.message()}});
    }
  }
  session.say(format_table(rows));
  session.metric("files", files.size());
  session.metric("failed", failed);
  require<DataError, 42>(failed == 0, "predict: ", failed, " of ", files.size(), " files could not be read (", first_error, ")");
}

}  // namespace

void add_predict_command(Program& program) {
  const auto o = std::make_shared<Options>();
  CLI::App* app = program.add("predict", "Class probabilities of image files", [o](Session& s) { predict(s, *o); },
                              "gadolin predict film.jpg --checkpoint runs/view/checkpoints/best.gdck");
  app->add_option("files", o->files, "Images, folders of images, or .txt lists of paths")->required();
  app->add_option("--checkpoint", o->checkpoint)->required();
  app->add_option("--top", o->top, "Classes to name")->capture_default_str();
}

}  // namespace gadolin
