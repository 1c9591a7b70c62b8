// From traced ops to ONNX's: names of values, and one translation an op.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "apps/weights/onnx_trace.h"
#include "io/onnx_file.h"

namespace gadolin {

using Integers = std::vector<std::int64_t>;  // an attribute: sizes, axes, strides

// Builds the nodes of one graph while its ops are walked.
class OnnxGraph {
 public:
  // `names`: parameters and buffers of the net, which become initialisers under their names.
  OnnxGraph(const Trace& trace, const std::vector<Parameter>& names);

  void add(const TracedOp& op);  // throws Unsupported with the op's name and place
  // The trace's outputs under these names.
  OnnxModel finish(const std::vector<std::string>& outputs);

  // For translations, about the op that is being added:
  const TracedOp& op() const { return *op_; }
  std::size_t inputs() const { return op_->node->inputs.size(); }
  bool has_input(std::size_t i) const;
  std::string input(std::size_t i);  // name of a value; "" for one that is not given
  Shape input_shape(std::size_t i) const { return op_->node->inputs[i].shape; }
  bool has(const char* attribute) const { return op_->attributes.count(attribute) != 0; }
  template <class T> const T& get(const char* attribute) const {
    return std::get<T>(op_->attributes.at(attribute));
  }
  std::int64_t integer(const char* attribute) const { return get<std::int64_t>(attribute); }
  double real(const char* attribute) const { return get<double>(attribute); }
  const Integers& list(const char* attribute) const { return get<Integers>(attribute); }
  // Adds a node and gives the name of its result.
  std::string node(const std::string& type, std::vector<std::string> in,
                   std::map<std::string, OnnxAttribute> attributes = {});
  std::string constant(const std::string& what, const Tensor& values);  // a new initialiser
  std::string number(double value) { return constant("number", full({}, value)); }
  std::string numbers(const std::string& what, const Integers& values);
  std::string state(const Tensor& t, const char* what);  // a parameter or buffer
  [[noreturn]] void refuse(const std::string& why) const;

 private:
  std::string unique(const std::string& wish);
  const Trace& trace_;
  OnnxModel model_;
  const TracedOp* op_ = nullptr;
  std::map<const Node*, std::string> values_;
  std::map<const void*, std::string> names_;  // of parameters and buffers
  std::set<std::string> used_;
};

// One op as ONNX nodes; returns the name of its result.
using OnnxTranslation = std::string (*)(OnnxGraph& g);
// By the op's name on the tape: ops that compute on images and matrices, and the others.
const std::map<std::string, OnnxTranslation>& onnx_layers();
const std::map<std::string, OnnxTranslation>& onnx_functions();

// Batch norms that follow a convolution go into its filters and bias.
void fold_batch_norms(OnnxModel& model);

}  // namespace gadolin
