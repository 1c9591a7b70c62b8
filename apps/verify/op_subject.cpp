// Fixtures of single ops, under the names and with the options of torch.nn.functional.
#include <functional>
#include <map>
#include <set>

#include "apps/verify/subject.h"
#include "io/bytes.h"
#include "layers/conv_transpose.h"
#include "layers/loss.h"
#include "layers/norm.h"
#include "layers/pool.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

// One call: the arguments in the op's order, undefined where the file gives none, and the config.
class OpCall {
 public:
  OpCall(const FixtureFile& file, std::vector<Tensor> arguments, bool training)
      : training(training), file_(file), arguments_(std::move(arguments)) {}

  const Tensor& operator[](std::size_t i) const { return arguments_[i]; }
  const std::vector<Tensor>& all() const { return arguments_; }
  double number(const char* name, double otherwise) {
    const Json* value = find(name);
    if (value == nullptr) return otherwise;
    require<FormatError, 20>(value->is_number(), "verify: ", file_.path(), ": config ", name, " is ",
                             value->dump(), "; use a number");
    return value->get<double>();
  }
  bool flag(const char* name, bool otherwise) {
    const Json* value = find(name);
    if (value == nullptr) return otherwise;
    require<FormatError, 20>(value->is_boolean(), "verify: ", file_.path(), ": config ", name, " is ",
                             value->dump(), "; use true or false");
    return value->get<bool>();
  }
  int whole(const char* name, int otherwise) {
    const Json* value = find(name);
    return value == nullptr ? otherwise : whole_of(name, *value);
  }
  Pair pair(const char* name, Pair otherwise) {
    const Json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_array()) return whole_of(name, *value);
    require<FormatError, 20>(value->size() == 2, "verify: ", file_.path(), ": config ", name, " is ",
                             value->dump(), "; use one whole number, or two");
    return {whole_of(name, (*value)[0]), whole_of(name, (*value)[1])};
  }
  // A number or a list; without it all dimensions.
  Dims dims(const char* name) {
    const Json* value = find(name);
    Dims all;
    if (value == nullptr) return all;
    for (const Json& one : value->is_array() ? *value : Json::array({*value}))
      all.push_back(whole_of(name, one));
    return all;
  }
  std::string word(const char* name, const std::string& otherwise, const std::vector<std::string>& known) {
    const Json* value = find(name);
    const std::string given = value == nullptr     ? otherwise
                              : value->is_string() ? value->get<std::string>()
                                                   : "";
    std::string list;
    for (const std::string& one : known) {
      if (one == given) return given;
      list += (list.empty() ? "" : ", ") + one;
    }
    fail<FormatError, 20>("verify: ", file_.path(), ": config ", name, " is ", value->dump(), "; known are ",
                          list);
  }
  Reduction reduction() {
    return word("reduction", "mean", {"mean", "sum"}) == "sum" ? Reduction::sum : Reduction::mean;
  }
  // Throws FormatError for a part of the config that nobody asked for.
  void require_all_asked() const {
    for (const auto& [name, value] : file_.config().items())
      require<FormatError, 20>(asked_.contains(name), "verify: ", file_.path(), ": ", file_.model(),
                               " has no option ", printable(name));
  }

  const bool training;

 private:
  const Json* find(const char* name) {
    asked_.insert(name);
    const auto found = file_.config().find(name);
    return found == file_.config().end() || found->is_null() ? nullptr : &*found;
  }
  int whole_of(const char* name, const Json& value) const {
    require<FormatError, 20>(value.is_number_integer() && std::abs(value.get<double>()) < 1e9,
                             "verify: ", file_.path(), ": config ", name, " is ", value.dump(),
                             "; use a whole number");
    return value.get<int>();
  }

  const FixtureFile& file_;
  std::vector<Tensor> arguments_;
  std::set<std::string> asked_;
};

struct Op {
  std::vector<std::string> arguments;  // "running_*" are buffers; "..." stands for all inputs
  std::function<Tensor(OpCall&)> run;
};

Op of_one(Tensor (*f)(const Tensor&)) {
  return {{"input"}, [f](OpCall& c) { return f(c[0]); }};
}
Op of_two(Tensor (*f)(const Tensor&, const Tensor&)) {
  return {{"input", "other"}, [f](OpCall& c) { return f(c[0], c[1]); }};
}
Op reducing(Tensor (*f)(const Tensor&, const Dims&, bool)) {
  return {{"input"}, [f](OpCall& c) { return f(c[0], c.dims("dim"), c.flag("keepdim", false)); }};
}

Tensor conv(OpCall& c) {
  return conv2d(c[0], c[1], c[2],
                {.stride = c.pair("stride", 1),
                 .padding = c.pair("padding", 0),
                 .dilation = c.pair("dilation", 1),
                 .groups = c.whole("groups", 1)});
}
Tensor transposed_conv(OpCall& c) {
  return conv_transpose2d(c[0], c[1], c[2],
                          {.stride = c.pair("stride", 1),
                           .padding = c.pair("padding", 0),
                           .dilation = c.pair("dilation", 1),
                           .output_padding = c.pair("output_padding", 0),
                           .groups = c.whole("groups", 1)});
}
PoolOptions window(OpCall& c) {
  const Pair kernel = c.pair("kernel_size", 1);
  PoolOptions options(kernel, c.pair("stride", kernel), c.pair("padding", 0));
  options.ceil_mode = c.flag("ceil_mode", false);
  return options;
}

const std::map<std::string, Op>& ops() {
  static const std::map<std::string, Op> all{
      {"conv2d", {{"input", "weight", "bias"}, conv}},
      {"conv_transpose2d", {{"input", "weight", "bias"}, transposed_conv}},
      {"linear", {{"input", "weight", "bias"}, [](OpCall& c) { return linear(c[0], c[1], c[2]); }}},
      {"matmul", of_two(matmul)},
      {"batch_norm",
       {{"input", "weight", "bias", "running_mean", "running_var"},
        [](OpCall& c) {
          return batch_norm(
              c[0], c[1], c[2], c[3], c[4],
              {.training = c.training, .momentum = c.number("momentum", 0.1), .eps = c.number("eps", 1e-5)});
        }}},
      {"group_norm",
       {{"input", "weight", "bias"},
        [](OpCall& c) {
          return group_norm(c[0], c.whole("num_groups", 1), c[1], c[2], c.number("eps", 1e-5));
        }}},
      {"max_pool2d", {{"input"}, [](OpCall& c) { return max_pool2d(c[0], window(c)); }}},
      {"avg_pool2d",
       {{"input"},
        [](OpCall& c) {
          PoolOptions options = window(c);
          options.count_include_pad = c.flag("count_include_pad", true);
          return avg_pool2d(c[0], options);
        }}},
      {"adaptive_avg_pool2d",
       {{"input"}, [](OpCall& c) { return adaptive_avg_pool2d(c[0], c.pair("output_size", 1)); }}},
      {"add", of_two(add)},
      {"sub", of_two(sub)},
      {"mul", of_two(mul)},
      {"div", of_two(div)},
      {"maximum", of_two(maximum)},
      {"minimum", of_two(minimum)},
      {"pow", of_two(pow)},
      {"exp", of_one(exp)},
      {"log", of_one(log)},
      {"sqrt", of_one(sqrt)},
      {"rsqrt", of_one(rsqrt)},
      {"abs", of_one(abs)},
      {"erf", of_one(erf)},
      {"sin", of_one(sin)},
      {"cos", of_one(cos)},
      {"tanh", of_one(tanh)},
      {"sigmoid", of_one(sigmoid)},
      {"relu", of_one(relu)},
      {"silu", of_one(silu)},
      {"leaky_relu",
       {{"input"}, [](OpCall& c) { return leaky_relu(c[0], c.number("negative_slope", 0.01)); }}},
      {"gelu",
       {{"input"},
        [](OpCall& c) {
          return gelu(c[0],
                      c.word("approximate", "none", {"none", "tanh"}) == "tanh" ? Gelu::tanh : Gelu::exact);
        }}},
      {"softplus",
       {{"input"}, [](OpCall& c) { return softplus(c[0], c.number("beta", 1), c.number("threshold", 20)); }}},
      {"softmax", {{"input"}, [](OpCall& c) { return softmax(c[0], c.whole("dim", -1)); }}},
      {"log_softmax", {{"input"}, [](OpCall& c) { return log_softmax(c[0], c.whole("dim", -1)); }}},
      {"cumsum", {{"input"}, [](OpCall& c) { return cumsum(c[0], c.whole("dim", -1)); }}},
      {"sum", reducing(sum)},
      {"mean", reducing(mean)},
      {"max", reducing(max)},
      {"min", reducing(min)},
      {"cat", {{"..."}, [](OpCall& c) { return concat(c.all(), c.whole("dim", 0)); }}},
      {"cross_entropy",
       {{"input", "target"},
        [](OpCall& c) {
          return cross_entropy(c[0], c[1].to(DType::int64),
                               {.label_smoothing = c.number("label_smoothing", 0),
                                .ignore_index = c.whole("ignore_index", -100)});
        }}},
      {"binary_cross_entropy_with_logits",
       {{"input", "target"}, [](OpCall& c) { return binary_cross_entropy_with_logits(c[0], c[1]); }}},
      {"sigmoid_focal_loss",
       {{"input", "target"},
        [](OpCall& c) {
          return sigmoid_focal_loss(c[0], c[1], c.number("alpha", 0.25), c.number("gamma", 2), c.reduction());
        }}},
      {"smooth_l1_loss",
       {{"input", "target"},
        [](OpCall& c) { return smooth_l1_loss(c[0], c[1], c.number("beta", 1), c.reduction()); }}},
      {"mse_loss", {{"input", "target"}, [](OpCall& c) { return mse_loss(c[0], c[1], c.reduction()); }}},
  };
  return all;
}

// What an op's state entries are: parameters, and buffers for its running statistics.
class OpModule : public Module {
 public:
  OpModule(const Op& op, const State& state) {
    for (const std::string& name : op.arguments) {
      const auto found = state.find(name);
      if (found == state.end()) continue;
      const Tensor initial = found->second.to(DType::fp32).clone();
      held_[name] = name.starts_with("running_") ? buffer(name, initial) : parameter(name, initial);
    }
  }
  const char* kind() const override { return "Op"; }
  const Tensor* find(const std::string& name) const {
    const auto found = held_.find(name);
    return found == held_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, Tensor> held_;
};

class OpSubject : public Subject {
 public:
  OpSubject(const FixtureFile& file, const Op& op) : Subject(file), op_(op), module_(op, file.state()) {}
  Module& module() override { return module_; }

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
    std::vector<Tensor> arguments;
    std::size_t next = 0;
    if (op_.arguments[0] == "...") {
      arguments = inputs;
      next = inputs.size();
    } else {
      for (const std::string& name : op_.arguments) {
        const Tensor* held = module_.find(name);
        if (held == nullptr && name == "target" && file_.has(name)) {
          arguments.push_back(file_.tensor_here(name));
          continue;
        }
        arguments.push_back(held != nullptr ? *held : next < inputs.size() ? inputs[next++] : Tensor());
        const bool optional = name == "bias" || (op_.arguments.size() > 3 && name == "weight");
        require<FormatError, 23>(arguments.back().defined() || optional, "verify: ", file_.path(), ": ",
                                 file_.model(), " wants ", name, " as state.", name, " or as the next input");
      }
    }
    require<FormatError, 23>(next == inputs.size(), "verify: ", file_.path(), " holds input.", next, ", but ",
                             file_.model(), " takes no more");
    OpCall call(file_, std::move(arguments), module_.training());
    const Tensor y = op_.run(call);
    call.require_all_asked();
    return {y};
  }

 private:
  const Op& op_;
  OpModule module_;
};

}  // namespace

std::unique_ptr<Subject> make_op_subject(const FixtureFile& file) {
  const std::string name = file.model().substr(3);
  const auto found = ops().find(name);
  std::string known;
  for (const auto& [one, op] : ops()) known += (known.empty() ? "" : ", ") + one;
  require<FormatError, 22>(found != ops().end(), "verify: ", file.path(), ": no op is called ",
                           printable(name), "; known are ", known);
  return std::make_unique<OpSubject>(file, found->second);
}

}  // namespace gadolin
