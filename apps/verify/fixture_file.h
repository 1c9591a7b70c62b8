// A fixture as its file gives it, and what has been compared with it.
#pragma once

#include <string>
#include <vector>

#include "apps/verify/fixture.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "layers/module.h"
#include "nets/registry.h"

namespace gadolin {

class FixtureFile {
 public:
  // Throws FormatError for a file that is no fixture of this version, or whose metadata cannot be understood.
  FixtureFile(const std::string& path, const FixtureOptions& options);

  const std::string& path() const { return path_; }
  const FixtureOptions& options() const { return options_; }
  const std::string& model() const { return report_.model; }
  bool training() const { return report_.mode == "train"; }
  // Throws FormatError when the metadata lack it.
  std::string text(const std::string& key) const;
  bool has_text(const std::string& key) const { return file_.metadata().contains(key); }
  double number(const std::string& key) const;
  const Json& config() const { return config_; }  // without "normalize"
  // What a constructor takes: the config, and num_classes where the file gives it.
  NetOptions net_options() const;

  bool has(const std::string& name) const { return file_.contains(name); }
  Tensor tensor(const std::string& name) const { return file_.tensor(name); }
  // On the device; numbers in fp64 where all is computed in it.
  Tensor tensor_here(const std::string& name) const;
  std::vector<SafetensorsEntry> entries() const { return file_.entries(); }
  // Entries "state.<name>" by name.
  State state() const;
  // "input", or "input.0", "input.1" ...; the first normalised where the config says so.
  std::vector<Tensor> inputs() const;
  // "output" or "output.0" for 0, then "output.1" ...; of a name that the file lacks nothing is compared.
  std::string output_name(std::size_t i) const;

  // Compares element by element in fp64 on the host. Throws FormatError for another shape.
  void check(const std::string& name, const Tensor& got);
  const FixtureReport& report() const { return report_; }

 private:
  void read_config();

  std::string path_;
  SafetensorsFile file_;
  FixtureOptions options_;
  FixtureReport report_;
  Json config_;
  std::vector<double> mean_, deviation_;  // of `normalize`
  double rtol_ = 0, atol_ = 0;
};

}  // namespace gadolin
