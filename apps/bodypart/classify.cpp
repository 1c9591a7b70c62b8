// gadolin bodypart classify: a table of probabilities for pictures of a list, or of a TFRecord.
#include <algorithm>
#include <filesystem>

#include "apps/bodypart/commands.h"
#include "apps/bodypart/slim_models.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "data/sets/tfrecord_dataset.h"
#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "io/tfrecord.h"
#include "tasks/classification.h"
#include "tasks/inputs.h"
#include "tasks/predictor.h"
#include "tensor/check.h"
#include "train/checkpoint_store.h"

namespace gadolin::bodypart {
namespace {

constexpr const char* classify_command = "bodypart classify";

struct ClassifyOptions {
  std::string checkpoint, infile, outfile, delimiter = "\t";
  bool tfrecord = false, names = false;
  std::int64_t batch_size = 100;
  int workers = -1;
  Expected said;
};

// Paths, one a line; from the folder that the program was started in.
std::vector<std::string> listed_pictures(const std::string& path) {
  const MappedFile file(path);
  std::vector<std::string> lines;
  std::string line;
  for (const char c : std::string(file.text()) + "\n") {
    if (c != '\n') {
      line += c;
      continue;
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(line);
    line.clear();
  }
  require<DataError>(!lines.empty(), classify_command, ": ", path,
                     " lists no pictures; one path a line is needed");
  return lines;
}

std::unique_ptr<Dataset> open_pictures(const ClassifyOptions& o, const Task& classifier) {
  if (o.tfrecord) {
    DatasetOptions options;
    options.classes = classifier.classes();
    options.unlabelled = true;
    return open_tfrecords(o.infile, options);
  }
  std::error_code error;
  require<UsageError>(!is_tfrecord_name(std::filesystem::path(o.infile).filename().string()),
                      classify_command, ": --infile ", o.infile,
                      " is named as TFRecords are; add --tfrecord");
  require<UsageError>(!std::filesystem::is_directory(o.infile, error) && !detail::is_image_file(o.infile),
                      classify_command, ": --infile ", o.infile,
                      " is no list of pictures; write their paths into a text file, one a line");
  return file_set(listed_pictures(o.infile), classifier.classes());
}

// In quotes when the delimiter, a quote or the end of a line is in it.
std::string field(const std::string& text, const std::string& delimiter) {
  if (text.find(delimiter) == std::string::npos && text.find_first_of("\"\r\n") == std::string::npos)
    return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// Table and events, a batch after another; pictures that cannot be read have no row.
std::string classified(const ClassifyOptions& o, Predictor& predictor, const Dataset& set,
                       const LoaderOptions& options, std::vector<Json>& events) {
  events.clear();
  std::string table = "image";
  const std::vector<std::string>& names = predictor.task().classes();
  const std::size_t classes = names.size();
  for (std::size_t k = 0; k < classes; ++k)
    table += o.delimiter + field(o.names ? names[k] : cat("class", k), o.delimiter);
  table += o.delimiter + "predicted_class\n";
  const auto loader = predictor.task().loader(set, predictor.task().pipeline(), options);
  Batch batch;
  while (loader->next(batch)) {
    const std::vector<double> all = probabilities(predictor.run(batch)["logits"], false);
    for (std::size_t i = 0; i < batch.indices.size(); ++i) {
      const double* row = all.data() + i * classes;
      const auto best = static_cast<std::size_t>(std::max_element(row, row + classes) - row);
      const std::string& image = set.info(batch.indices[i]).name;
      table += field(image, o.delimiter);
      Json event{{"event", "prediction"}, {"image", image}, {"predicted_class", best}, {"name", names[best]}};
      for (std::size_t k = 0; k < classes; ++k) {
        table += o.delimiter + fixed(row[k], 8);
        event["probabilities"].push_back(row[k]);
      }
      table += o.delimiter + (o.names ? field(names[best], o.delimiter) : std::to_string(best)) + "\n";
      events.push_back(std::move(event));
    }
  }
  return table;
}

// Places of the pictures that decode; the others are named.
std::vector<std::int64_t> readable(const Dataset& set, Session& session, std::string& first_error) {
  std::vector<std::int64_t> good;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    try {
      set.image(i);
      good.push_back(i);
    } catch (const Error& error) {
      if (error.exit_code() != Exit::data && error.exit_code() != Exit::file) throw;
      if (first_error.empty()) first_error = error.message();
      session.log(error.what());
      session.event({{"event", "bad_sample"},
                     {"image", set.info(i).name},
                     {"code", error.code()},
                     {"message", error.message()}});
    }
  }
  return good;
}

void classify(Session& session, const ClassifyOptions& o) {
  require<UsageError>(o.delimiter.size() == 1 && o.delimiter != "\"" && o.delimiter != "\n", classify_command,
                      ": --delimiter '", printable(o.delimiter), "' is not one character");
  const std::string checkpoint = find_checkpoint(o.checkpoint);
  if (!o.outfile.empty())
    check_output_file(cat(classify_command, ": --outfile"), o.outfile, ".csv", {o.infile, checkpoint});
  Predictor predictor(load_task(checkpoint, session.device()), {.compute = session.compute()});
  const ClassificationTask& classifier = as_classifier(predictor.task(), checkpoint);
  require<UsageError>(!classifier.multi_label(), classify_command, ": ", checkpoint,
                      " gives several labels a picture; use gadolin predict");
  check_expected(classify_command, o.said, classifier, checkpoint);
  const auto set = open_pictures(o, classifier);
  LoaderOptions options;
  options.batch_size = o.batch_size;
  options.workers = o.workers;
  options.device = session.device();
  std::int64_t failed = 0;
  std::string table, first_error;
  std::vector<Json> events;
  try {
    table = classified(o, predictor, *set, options, events);
  } catch (const Error& error) {  // some picture; which ones is found by looking at each
    if (error.exit_code() != Exit::data && error.exit_code() != Exit::file) throw;
    const auto good = readable(*set, session, first_error);
    failed = set->size() - static_cast<std::int64_t>(good.size());
    if (failed == 0) throw;
    events.clear();
    if (!good.empty()) table = classified(o, predictor, *set->subset(good), options, events);
  }
  for (const Json& event : events) session.event(event);
  if (o.outfile.empty()) {
    session.say(table);
  } else {
    write_file_atomically(o.outfile, table);
    session.say(cat(events.size(), " pictures in ", o.outfile));
    session.output("table", o.outfile);
  }
  session.metric("images", events.size());
  session.metric("failed", failed);
  require<DataError, 42>(failed == 0, classify_command, ": ", failed, " of ", set->size(),
                         " pictures could not be read (", first_error, ")");
}

}  // namespace

void add_classify(Program& program, CLI::App* group) {
  const auto o = std::make_shared<ClassifyOptions>();
  CLI::App* app = program.add(
      group, "classify", "Probabilities of every class for JPEG, PNG and DICOM files, as a table",
      [o](Session& s) { classify(s, *o); },
      "gadolin bodypart classify --checkpoint_path runs/v4 --infile films.txt --names --outfile films.tsv");
  app->add_option(both_spellings("--checkpoint-path,--checkpoint"), o->checkpoint,
                  "A checkpoint, or the folder of a run: its newest one")
      ->required();
  app->add_option("--infile", o->infile,
                  "Text file with a path a line; with --tfrecord a TFRecord, a pattern or a folder of them")
      ->required();
  app->add_flag("--tfrecord", o->tfrecord,
                "--infile holds records; images are called by their names in them");
  app->add_option("--outfile,--out", o->outfile, "The table; otherwise it is printed");
  app->add_option("--delimiter", o->delimiter, "Between columns, default a tab");
  app->add_flag("--names", o->names, "Names of classes instead of class0, class1 and so on");
  app->add_option(both_spellings("--batch-size"), o->batch_size, "pictures at once")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--workers", o->workers, "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_option(both_spellings("--num-classes"), o->said.num_classes, "Checked: the checkpoint knows them")
      ->check(count_from(0));
  app->add_option(both_spellings("--model-name"), o->said.model_name,
                  "Checked: the checkpoint knows its net");
  app->add_option(both_spellings("--preprocessing-name"), o->said.preprocessing_name,
                  "Checked: the checkpoint knows its pipeline");
  app->add_option(both_spellings("--eval-image-size"), o->said.image_size, "Checked, likewise")
      ->check(count_from(0));
}

}  // namespace gadolin::bodypart
