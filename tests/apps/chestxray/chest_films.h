// A few small films with findings of NIH's, and trainings on them that take a fraction of a second.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/image/image.h"
#include "tests/apps/in_process.h"
#include "tests/data/scratch.h"
#include "train/checkpoint.h"

namespace gadolin::test {

// 36 films of 18 patients: Effusion is a bright floor, Mass a bright spot; a third is normal.
inline void write_chest_films(const Scratch& dir, const std::string& folder) {
  std::string rows = "path,patient,labels,split,view\n";
  for (int i = 0; i < 36; ++i) {
    Image film = pattern(32, 32, 1);
    for (std::uint8_t& v : film.pixels) v = static_cast<std::uint8_t>(v / 4 + i);
    const bool effusion = i % 3 == 1, mass = i % 3 == 2 || i % 6 == 1;
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x)
        if ((effusion && y > 20) || (mass && y > 4 && y < 14 && x > 4 && x < 14))
          film.row<std::uint8_t>(y)[x] = 240;
    const std::string name = cat("images/0000000", i / 20, "_0", i % 20 / 10, i % 10, ".png");
    dir.write(folder + "/" + name, encode_png(film));
    const int patient = i / 2;
    rows += cat(name, ",", patient, ",",
                effusion && mass ? "Effusion|Mass"
                : effusion       ? "Effusion"
                : mass           ? "Mass"
                                 : "No Finding",
                ",",
                patient < 10   ? "train"
                : patient < 14 ? "val"
                               : "test",
                ",", i % 2 ? "PA" : "AP", "\n");
  }
  dir.write(folder + "/manifest.csv", rows);
}

class ChestFilms : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = std::make_unique<Scratch>();
    write_chest_films(*dir_, "films");
  }
  static void TearDownTestSuite() { dir_.reset(); }
  static std::string path(const std::string& name) { return *dir_ / name; }
  static std::string manifest() { return path("films/manifest.csv"); }

  static Outcome train(const std::string& out, const std::vector<std::string>& more,
                       const std::string& net = "resnet18") {
    std::vector<std::string> args{
        "chestxray", "train",        manifest(),    "--out",    path(out), "--model",   net, "--input-size",
        "32",        "--batch-size", "4",           "--epochs", "2",       "--workers", "0", "--device",
        "cpu",       "--quiet",      "--keep-last", "5"};
    if (net.starts_with("resnet"))
      args.insert(args.end(), {"--net-option", "width=4"});
    else
      args.insert(args.end(), {"--net-option", "growth_rate=2", "--net-option", "num_init_features=4",
                               "--net-option", "bn_size=2"});
    args.insert(args.end(), more.begin(), more.end());
    return run_here(args);
  }
  static std::string checkpoint(const std::string& run, const std::string& name = "best") {
    return path(run + "/checkpoints/" + name + ".gdck");
  }
  // The message of an error, without its code.
  static std::string said(const Outcome& run) {
    const std::string line = last_line(run, dir_->path());
    return line.substr(0, line.rfind(" [GD-"));
  }
  // Names in the net whose values differ between two checkpoints of a run: what was learnt from one to the
  // other.
  static std::vector<std::string> learnt(const std::string& run, const std::string& from = "first",
                                         const std::string& to = "last") {
    const Checkpoint a = load_checkpoint(from == "first" ? first_checkpoint(run) : checkpoint(run, from)),
                     b = load_checkpoint(checkpoint(run, to));
    std::vector<std::string> names;
    for (const auto& [name, value] : a.tensors)
      if (name.starts_with("model.") && !name.ends_with("num_batches_tracked") &&
          value.to_vector<double>() != b.tensor(name).to_vector<double>())
        names.push_back(name.substr(6));
    return names;
  }
  // That of the first epoch.
  static std::string first_checkpoint(const std::string& run) {
    std::string first;
    std::int64_t least = 1'000'000;
    for (const auto& entry : std::filesystem::directory_iterator(path(run + "/checkpoints"))) {
      const std::string name = entry.path().stem().string();
      if (!name.starts_with("step-")) continue;
      const std::int64_t step = std::stoll(name.substr(5));
      if (step < least) {
        least = step;
        first = entry.path().string();
      }
    }
    return first;
  }
  static bool has(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  static bool any_begins(const std::vector<std::string>& names, const std::string& with) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return n.starts_with(with); });
  }
  static std::unique_ptr<Scratch> dir_;
};
inline std::unique_ptr<Scratch> ChestFilms::dir_;

}  // namespace gadolin::test
