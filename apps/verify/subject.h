// What a fixture is about: a net, or a single op, called as the other implementation called its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/verify/fixture_file.h"

namespace gadolin {

class Subject {
 public:
  virtual ~Subject() = default;
  // Its parameters and buffers have the reference's names.
  virtual Module& module() = 0;
  // All outputs in the fixture's order. An op of several tensors throws FormatError when one is missing.
  virtual std::vector<Tensor> run(const std::vector<Tensor>& inputs) = 0;
  // The scalar of the metadata's `loss`, a composition that is known to all; undefined for one that only this
  // subject could know and does not.
  virtual Tensor loss(const std::string& kind, const std::vector<Tensor>& outputs);

 protected:
  explicit Subject(const FixtureFile& file) : file_(file) {}
  // cross_entropy, bce_with_logits or sum_squares of one output. Throws FormatError for another kind.
  Tensor known_loss(const std::string& kind, const Tensor& output) const;
  const FixtureFile& file_;
};

// The file must live as long as the subject. Throws UsageError for an unknown net or option.
std::unique_ptr<Subject> make_subject(const FixtureFile& file);
// Of a model "op:<name>".
std::unique_ptr<Subject> make_op_subject(const FixtureFile& file);

}  // namespace gadolin
