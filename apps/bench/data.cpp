// gadolin bench data: how many pictures a second the loader decodes, transforms and batches.
#include <memory>

#include "apps/bench/bench.h"
#include "apps/bench/timing.h"
#include "apps/program/ranges.h"
#include "data/sets/loader.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

struct DataBenchOptions {
  std::string folder, steps;
  std::int64_t batch = 32;
  int size = 224, workers = 1, epochs = 3;
};

void run_data_bench(Session& session, const DataBenchOptions& o) {
  const auto set = open_dataset(o.folder);
  const std::string size = std::to_string(o.size);
  const Pipeline pipeline(o.steps.empty() ? "rgb,random-resized-crop:" + size +
                                                ",hflip,normalize:0.485/0.456/0.406:0.229/0.224/0.225"
                                          : o.steps);
  LoaderOptions options;
  options.batch_size = o.batch;
  options.shuffle = true;
  options.workers = o.workers;
  options.seed = session.common().seed;
  options.device = session.device();
  options.epochs = o.epochs + 1;
  DataLoader loader(*set, pipeline, options);
  std::vector<double> rates;
  std::int64_t images = 0;
  for (int epoch = 0; epoch <= o.epochs; ++epoch) {  // the first one fills the file cache
    const double start = seconds_now();
    std::int64_t count = 0;
    for (const Batch& batch : loader) count += batch.size();
    synchronize(session.device());
    if (epoch > 0) rates.push_back(static_cast<double>(count) / (seconds_now() - start));
    images = count;
  }
  const Timing t = summarize_times(rates);
  session.say(cat(images, " pictures, ", o.workers, " workers: ", fixed(t.median, 1), " images/s (",
                  fixed(t.least, 1), " to ", fixed(t.most, 1), ")"));
  session.metric("images_per_s", t.median);
  session.metric("images", images);
}

}  // namespace

void add_data_bench(Program& program, CLI::App* group) {
  const auto o = std::make_shared<DataBenchOptions>();
  CLI::App* app = program.add(
      group, "data", "The loader: decode, random-resized crop, flip, normalise",
      [o](Session& s) { run_data_bench(s, *o); },
      "gadolin bench data examples/data/cxr-nih14-small/view.csv --workers 1");
  app->add_option("folder", o->folder, "A data set, as for train")->required();
  app->add_option("--batch", o->batch, "Samples of a batch")
      ->check(between(1, 1000000))
      ->capture_default_str();
  app->add_option("--size", o->size, "Pixels a side")->check(between(1, 65536))->capture_default_str();
  app->add_option("--workers", o->workers, "Threads that decode; -1: one a core")
      ->check(between(-1, 64))
      ->capture_default_str();
  app->add_option("--epochs", o->epochs, "Times through the set")
      ->check(count_from(1))
      ->capture_default_str();
  app->add_option("--pipeline", o->steps, "Other steps than random-resized-crop, hflip, normalize");
}

}  // namespace gadolin
