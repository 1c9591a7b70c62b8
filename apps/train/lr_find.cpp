// gadolin lr-find: a short training whose rate grows until the loss blows up, and what its curve suggests.
#include <cmath>
#include <filesystem>

#include "apps/chart/chart.h"
#include "apps/program/output.h"
#include "apps/program/ranges.h"
#include "apps/run/train_parts.h"
#include "apps/train/commands.h"
#include "io/atomic_file.h"
#include "layers/compute.h"
#include "tensor/autograd.h"
#include "tensor/device.h"
#include "tensor/ops.h"
#include "train/lr_finder.h"
#include "train/progress.h"

namespace gadolin {
namespace {

struct LrFindOptions {
  TrainCommand run;
  LrSweepOptions sweep;
};

// Real steps of the run that the options describe, on its batches in its order.
LrSweep sweep(Session& session, const Prepared& p, const LrFindOptions& o) {
  Module& net = p.task->net();
  TrainPlan plan = p.plan;
  plan.loop.accumulate = 1;
  plan.sampler = "shuffled";
  fit_batch(plan, *p.train, session);
  LoaderOptions load = plan.load;
  load.shuffle = load.drop_last = true;
  const auto loader = p.task->loader(*p.train, p.plan.augment, load);
  p.task->check_batches(*loader);
  Optimizer optimizer(net.parameters(), p.plan.rule, p.plan.scale);
  net.train();
  optimizer.zero_grad();
  Progress progress("rates", o.sweep.steps, progress_on_stderr(!session.bars()), {"steps", 1});
  std::int64_t done = 0;
  Batch batch;
  const auto step = [&](double rate) {
    while (!loader->next(batch)) {
    }
    optimizer.set_lr(rate);
    Tensor loss;
    {
      const ComputeScope compute(p.plan.loop.compute);
      loss = p.task->loss(batch).total;
    }
    loss.backward(optimizer.loss_seed(loss.dtype()));
    optimizer.step();
    optimizer.zero_grad();
    const double value = loss.detach().item();
    progress.update(++done, loader->stats().wait_seconds,
                    cat("rate ", fixed(rate, 7), " loss ", fixed(value, 4)));
    return value;
  };
  const LrSweep result = find_learning_rate(
      step, [&] { return remember_training(net, optimizer); }, o.sweep);
  progress.finish();
  return result;
}

std::string table_of(const LrSweep& s) {
  std::string text = "rate,loss,smoothed\n";
  for (std::size_t i = 0; i < s.rate.size(); ++i)
    text += exact_text(s.rate[i]) + "," + exact_text(s.loss[i]) + "," + exact_text(s.smoothed[i]) + "\n";
  return text;
}

std::string picture_of(const LrSweep& s) {
  chart::Series loss{"loss", {}, {}}, smoothed{"smoothed", {}, {}};
  for (std::size_t i = 0; i < s.rate.size(); ++i) {
    for (chart::Series* line : {&loss, &smoothed}) line->x.push_back(std::log10(s.rate[i]));
    loss.y.push_back(s.loss[i]);
    smoothed.y.push_back(s.smoothed[i]);
  }
  return chart::line_chart({loss, smoothed},
                           {.title = "Loss by learning rate",
                            .description = "A short training whose rate grows at every step",
                            .x_label = "learning rate, power of ten",
                            .y_label = "loss",
                            .own_ground = true});
}

void lr_find(Session& session, LrFindOptions o) {
  set_tf32(session.tf32());
  check_train_options(o.run);
  check_output_folder("lr-find: --out", o.run.out);
  const Prepared p = prepare_run(session, o.run, open_split(o.run, session));
  const LrSweep s = sweep(session, p, o);
  make_folders("lr-find", o.run.out);
  const std::string csv = o.run.out + "/lr-find.csv", svg = o.run.out + "/lr-find.svg";
  write_file_atomically(csv, table_of(s));
  write_file_atomically(svg, picture_of(s));
  const double steepest = steepest_rate(s, o.sweep), tenth = tenth_of_minimum(s, o.sweep);
  const auto shown = [](double rate) {
    return std::isnan(rate) ? std::string("not defined: the loss never fell") : exact_text(rate);
  };
  session.say(cat(static_cast<std::int64_t>(s.rate.size()), " steps from ", o.sweep.lo, " to ",
                  s.rate.empty() ? o.sweep.lo : s.rate.back(), s.diverged ? "; the loss blew up there" : ""));
  session.say(format_table({{"suggestion", "learning rate"},
                            {"where the loss falls fastest", shown(steepest)},
                            {"a tenth of the rate of the lowest loss", shown(tenth)}}));
  session.say("table: " + csv + "\npicture: " + svg);
  session.metric("steps", s.rate.size());
  session.metric("steepest", std::isnan(steepest) ? Json(nullptr) : Json(steepest));
  session.metric("tenth_of_minimum", std::isnan(tenth) ? Json(nullptr) : Json(tenth));
  session.output("table", csv);
  session.output("picture", svg);
}

}  // namespace

void add_lr_find_command(Program& program) {
  const auto o = std::make_shared<LrFindOptions>();
  CLI::App* app = program.add(
      "lr-find", "Try learning rates: a table, a picture, two suggestions",
      [o](Session& s) { lr_find(s, *o); },
      "gadolin lr-find examples/data/cxr-nih14-small/view.csv --input-size 112 --out runs/rates");
  add_train_options(app, o->run);
  app->add_option("--lr-from", o->sweep.lo, "First rate")->check(above(0))->capture_default_str();
  app->add_option("--lr-to", o->sweep.hi, "Last rate")->check(above(0))->capture_default_str();
  app->add_option("--steps", o->sweep.steps, "Steps between both")
      ->check(between(2, 1000000))
      ->capture_default_str();
}

}  // namespace gadolin
