// gadolin chestxray finetune: one question with two answers, from four starts, and whether they differ.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/chestxray/commands.h"
#include "apps/chestxray/seed_checkpoint.h"
#include "apps/chestxray/stages.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/evaluate.h"
#include "apps/run/train_options.h"
#include "data/sets/split.h"
#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/csv.h"
#include "tasks/classification_evaluator.h"
#include "tasks/delong.h"
#include "tasks/intervals.h"
#include "tasks/mcnemar.h"
#include "tensor/check.h"
#include "train/checkpoint_store.h"

namespace gadolin::chestxray {
namespace {

struct FinetuneFlags {
  std::string data, out, model, scratch_nih, imagenet_nih, imagenet, shares = "0.7/0.1/0.2",
                                                                     preset = "modern", augment;
  std::vector<int> variants;
  std::vector<std::string> net_options;
  std::optional<double> lr;
  std::optional<std::int64_t> epochs, batch_size;
  int input_size = 224, workers = -1, resamples = 1000;
  bool overwrite = false, resume = false;
  bool legacy() const { return preset == "legacy"; }
};

// A start, as the original numbers them (apps-spec 5.6).
struct Variant {
  int number;
  std::string about, weights, option;
};
std::vector<Variant> variants_of(const FinetuneFlags& f) {
  const std::vector<Variant> all{{1, "scratch, NIH", f.scratch_nih, "--scratch-nih"},
                                 {2, "ImageNet, NIH", f.imagenet_nih, "--imagenet-nih"},
                                 {3, "ImageNet", f.imagenet, "--imagenet"},
                                 {4, "scratch", "", ""}};
  std::vector<Variant> chosen;
  for (const Variant& v : all) {
    const bool asked = std::find(f.variants.begin(), f.variants.end(), v.number) != f.variants.end();
    const bool possible = v.option.empty() || !v.weights.empty();
    require<UsageError>(!asked || possible, "chestxray finetune: variant ", v.number,
                        " begins with weights (", v.about, "); give ", v.option,
                        " FILE, or leave it out of --variants");
    if (possible && (asked || f.variants.empty())) chosen.push_back(v);
  }
  return chosen;
}

// What a variant came to on the test films.
struct Tried {
  Variant variant;
  std::vector<std::uint8_t> right;
  std::vector<std::string> patient;
  std::vector<std::int64_t> indices, target;
  Share accuracy;
  DelongArea area;
};

std::string net_of_file(const std::string& path) {
  const std::string file = find_checkpoint(path);
  if (!is_checkpoint(file)) return net_of_weights(load_weights(file), file);
  const auto facts = load_checkpoint_facts(file);
  const auto model = facts.find("model");
  return model == facts.end() ? "" : model->second;
}

std::string model_of(const FinetuneFlags& f, const std::vector<Variant>& variants) {
  if (!f.model.empty()) return f.model;
  for (const Variant& v : variants)
    if (!v.weights.empty()) return net_of_file(v.weights);
  return "resnet50";
}

// Before the first training: the others may begin hours later.
void check_weights(const std::vector<Variant>& variants, const std::string& model) {
  for (const Variant& v : variants) {
    if (v.weights.empty()) continue;
    const std::string net = net_of_file(v.weights);
    require<UsageError>(net.empty() || net == model, "chestxray finetune: ", v.option, " ",
                        printable(v.weights), " is of ", net, ", and ", model,
                        " is trained; all variants are of one net, so leave it out or name another --model");
  }
}

int stem_channels(const std::map<std::string, Tensor>& weights) {
  for (const char* name : {"conv1.weight", "features.conv0.weight"})
    if (const auto stem = weights.find(name); stem != weights.end())
      return static_cast<int>(stem->second.size(1));
  return 3;
}

TrainCommand command_of(const FinetuneFlags& f, const Variant& v, const std::string& model) {
  TrainCommand o;
  const bool old = f.legacy();
  o.out = cat(f.out, "/variant-", v.number);
  o.overwrite = f.overwrite;
  o.resume = f.resume ? "auto" : "";
  o.data.path = f.data;
  o.net.model = model;
  o.net.net_options = f.net_options;
  o.net.channels = 3;
  if (!v.weights.empty()) {
    o.net.init_from = find_checkpoint(v.weights);
    o.net.channels = stem_channels(load_weights(o.net.init_from));
    o.net.exclude_scopes = {head_of(model)};  // another question: the head begins anew
  }
  const bool grey = o.net.channels == 1;
  const std::string colour = grey ? "grey" : "rgb",
                    normal = old    ? "normalize:0.5:0.5"
                             : grey ? "normalize:0.5:0.25"
                                    : "normalize:0.485/0.456/0.406:0.229/0.224/0.225",
                    whole = cat("resize:", f.input_size * 8 / 7);
  o.input.size = f.input_size;
  o.input.workers = f.workers;
  o.input.batch_size = f.batch_size.value_or(old ? 64 : 16);
  // The original cropped at random in evaluation too; here every film is seen once, whole in the middle.
  o.input.pipeline = cat(colour, ",", whole, ",center-crop:", f.input_size, ",", normal);
  o.input.augment =
      old ? cat(colour, ",random-resized-crop:", f.input_size, ":0.08:1:0.75:1.3333,hflip,", normal)
          : cat(colour, ",", whole, ",affine:10:0.02:0.9:1.1:0,random-crop:", f.input_size, ",hflip,",
                normal);
  if (f.augment == "none")
    o.input.augment = o.input.pipeline;
  else if (!f.augment.empty() && f.augment != "standard")
    o.input.augment = f.augment;
  o.update.optimizer = old ? "adam" : "adamw";
  o.update.weight_decay = old ? 0 : -1;
  o.update.warmup_epochs = old ? 0 : -1;
  o.update.lr = f.lr.value_or(old ? 1e-5 : 1e-4);
  o.update.schedule = old ? "step:7:0.1" : "cosine";
  o.loop.epochs = f.epochs.value_or(old ? 50 : 15);
  o.loop.monitor = old ? "val_accuracy" : "val_roc_auc";
  return o;
}

Tried try_variant(Session& session, const FinetuneFlags& f, const Variant& v, const std::string& model,
                  const Dataset& films, const ConfigText& config) {
  const auto copy = [&films] {
    std::vector<std::int64_t> all(static_cast<std::size_t>(films.size()));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
    return films.subset(all);
  };
  session.say(cat("variant ", v.number, ": ", v.about));
  TrainCommand o = command_of(f, v, model);
  o.data.open = copy;
  run_training(session, o, config);
  EvalCommand e;
  e.data = f.data;
  e.checkpoint = o.out + "/checkpoints/best.gdck";
  e.out = o.out;
  e.resamples = f.resamples;
  e.workers = f.workers;
  e.open = [&](const Task&, EvalCommand&) { return copy(); };
  Tried tried{v, {}, {}, {}, {}, {}, {}};
  e.evaluated = [&](const Evaluator& any) {
    const auto& evaluator = dynamic_cast<const ClassificationEvaluator&>(any);
    const Predictions& p = evaluator.predictions();
    const auto said = top_class(p.probability, 2);
    std::vector<double> score;
    std::vector<std::uint8_t> second;
    for (std::size_t i = 0; i < said.size(); ++i) {
      tried.right.push_back(said[i] == p.target[i]);
      score.push_back(p.probability[2 * i + 1]);
      second.push_back(p.target[i] == 1);
    }
    tried.patient = p.patient;
    tried.target = p.target;
    tried.indices = evaluator.indices();
    tried.accuracy = share_by_patient(tried.patient, tried.right, {f.resamples, 0.95, session.common().seed});
    tried.area = delong_area(score, second, tried.patient);
  };
  evaluate_checkpoint(session, e);
  return tried;
}

std::string share_text(double value, const Interval& i) {
  if (std::isnan(value)) return "not defined";
  if (std::isnan(i.low)) return fixed(value, 3);
  return cat(fixed(value, 3), " (", fixed(i.low, 3), " to ", fixed(i.high, 3), ")");
}

// The answer that needs no picture: the class that most training films have.
Tried constant_answer(const FinetuneFlags& f, const Dataset& films, const Tried& like, std::uint64_t seed) {
  const auto counts = films.subset(Split::train)->class_counts();
  const std::int64_t most = counts[1] > counts[0] ? 1 : 0;
  Tried t{{0, "always " + films.classes()[static_cast<std::size_t>(most)], "", ""},
          {},
          like.patient,
          like.indices,
          like.target,
          {},
          {0.5, 0, {0.5, 0.5}}};
  for (const std::int64_t truth : like.target) t.right.push_back(truth == most);
  t.accuracy = share_by_patient(t.patient, t.right, {f.resamples, 0.95, seed});
  return t;
}

void tell(Session& session, const FinetuneFlags& f, const std::vector<Tried>& all) {
  CsvTable table{
      "finetune.csv", {"variant", "start", "accuracy", "low", "high", "auc", "auc_low", "auc_high"}, {}, {}};
  std::vector<std::vector<std::string>> rows{{"variant", "start", "accuracy", "AUC"}};
  for (const Tried& t : all) {
    const std::string number = t.variant.number == 0 ? "majority" : std::to_string(t.variant.number);
    rows.push_back({number, t.variant.about, share_text(t.accuracy.value, t.accuracy.interval),
                    share_text(t.area.auc, t.area.interval)});
    table.rows.push_back({number, t.variant.about, exact_text(t.accuracy.value),
                          exact_text(t.accuracy.interval.low), exact_text(t.accuracy.interval.high),
                          exact_text(t.area.auc), exact_text(t.area.interval.low),
                          exact_text(t.area.interval.high)});
    session.metric(
        "accuracy/" + number,
        {{"value", t.accuracy.value}, {"low", t.accuracy.interval.low}, {"high", t.accuracy.interval.high}});
  }
  session.say(cat(all[0].right.size(), " test films; 95 % intervals by patient"));
  session.say(format_table(rows));
  CsvTable pairs{"mcnemar.csv",
                 {"first", "second", "only_first", "only_second", "p", "statistic", "p_corrected"},
                 {},
                 {}};
  std::vector<std::vector<std::string>> shown{
      {"McNemar", "only the first right", "only the second", "p, exact", "p, corrected"}};
  for (std::size_t a = 0; a < all.size(); ++a) {
    for (std::size_t b = a + 1; b < all.size(); ++b) {
      const McNemar m = mcnemar(all[a].right, all[b].right);
      const std::string first = table.rows[a][0], second = table.rows[b][0];
      shown.push_back({first + " and " + second, fixed(m.only_first, 0), fixed(m.only_second, 0),
                       fixed(m.p, 4), fixed(m.p_corrected, 4)});
      pairs.rows.push_back({first, second, fixed(m.only_first, 0), fixed(m.only_second, 0), exact_text(m.p),
                            exact_text(m.statistic), exact_text(m.p_corrected)});
      session.metric("mcnemar/" + first + "/" + second, m.p);
    }
  }
  session.say(format_table(shown));
  write_file_atomically(f.out + "/finetune.csv", to_csv(table));
  write_file_atomically(f.out + "/mcnemar.csv", to_csv(pairs));
  session.output("table", f.out + "/finetune.csv");
  session.output("mcnemar", f.out + "/mcnemar.csv");
}

void finetune(Session& session, const FinetuneFlags& f, const ConfigText& config) {
  require<UsageError>(!f.resume || !f.overwrite,
                      "chestxray finetune: --resume and --overwrite exclude each other; ", "leave one out");
  const std::vector<Variant> variants = variants_of(f);
  check_output_folder("chestxray finetune: --out", f.out);
  const std::string model = model_of(f, variants);
  head_of(model);
  check_weights(variants, model);
  const auto films = open_dataset(f.data);
  require<DataError>(films->num_classes() == 2 && !films->multi_label(), "chestxray finetune: ", f.data,
                     " has ", films->num_classes(),
                     films->multi_label() ? " labels, several a film" : " classes",
                     "; two folders of films are needed, one a class");
  if (!films->has_split(Split::train)) assign_splits(*films, split_shares(f.shares, session.common().seed));
  require<DataError>(films->has_split(Split::val) && films->has_split(Split::test),
                     "chestxray finetune: ", f.data, " gives no films of ",
                     films->has_split(Split::val) ? "test" : "val",
                     "; change --shares, or the splits of the data");
  std::vector<Tried> all;
  for (const Variant& v : variants) all.push_back(try_variant(session, f, v, model, *films, config));
  if (!session.communicator().first()) return;  // that one has measured
  all.push_back(constant_answer(f, *films, all[0], session.common().seed));
  tell(session, f, all);
}

}  // namespace

void add_finetune(Program& program, CLI::App* group) {
  const auto f = std::make_shared<FinetuneFlags>();
  CLI::App* app = program.add(
      group, "finetune", "One finding or none, from four starts in one command, and whether they differ",
      [f, &program](Session& s) {
        finetune(s, *f, [&](const Settled& settled) {
          return program.effective_config({{"device", settled.at("device")},
                                           {"threads", settled.at("threads")},
                                           {"resume", ""},
                                           {"overwrite", ""}});
        });
      },
      "gadolin chestxray finetune hearts --scratch-nih runs/chest/checkpoints/best.gdck --imagenet "
      "resnet50.pth "
      "--out runs/hearts");
  app->add_option("data", f->data, "Two folders of films, one a class; or a manifest")->required();
  app->add_option("--out", f->out, "Folder for the runs, finetune.csv and mcnemar.csv")->required();
  app->add_option("--scratch-nih", f->scratch_nih,
                  "Variant 1: a net of NIH's films that began with random weights");
  app->add_option("--imagenet-nih", f->imagenet_nih, "Variant 2: one that began with weights of ImageNet");
  app->add_option("--imagenet", f->imagenet, "Variant 3: weights of ImageNet");
  app->add_option("--variants", f->variants,
                  "Which of 1, 2, 3 and 4 (random weights); default all that can be")
      ->delimiter(',')
      ->check(between(1, 4));
  app->add_option("--model", f->model, "A ResNet or DenseNet; default that of the weights, else resnet50");
  app->add_option("--net-option", f->net_options, "NAME=VALUE of the net; may be repeated");
  app->add_option("--preset", f->preset,
                  "modern, or legacy: rate, schedule and crops of the original program")
      ->check(one_of({"modern", "legacy"}))
      ->capture_default_str();
  app->add_option("--shares", f->shares, "train/val/test by patient, for films without splits")
      ->capture_default_str();
  app->add_option("--augment", f->augment, "none, standard or a list of steps");
  app->add_option("--input-size", f->input_size, "Pixels a side")
      ->check(between(16, 4096))
      ->capture_default_str();
  app->add_option("--batch-size,--bs", f->batch_size, "Films a step. Default 16; legacy: 64")
      ->check(between(1, 1000000));
  app->add_option("--lr", f->lr, "Default 1e-4; legacy: 1e-5")->check(above(0));
  app->add_option("--epochs", f->epochs, "Default 15; legacy: 50")->check(count_from(1));
  app->add_option("--workers", f->workers, "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_option("--resamples", f->resamples, "Of the bootstrap by patient")
      ->check(between(0, 1000000))
      ->capture_default_str();
  app->add_flag("-r,--resume", f->resume, "Go on with runs that were interrupted; those that ended stay");
  app->add_flag("--overwrite", f->overwrite, "Remove former runs in --out");
}

}  // namespace gadolin::chestxray
