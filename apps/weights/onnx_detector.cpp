// The part of an exported detector behind its net: candidates of each level, decoding, suppression, and lists
// of one length. It follows tasks/detection/detect.cu step by step, ties included: TopK gives equal values
// the smaller place first, as detect() does.
#include <algorithm>
#include <cmath>

#include "apps/weights/onnx_export.h"
#include "tasks/detection/anchors.h"
#include "tensor/autograd.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

using Places = std::vector<std::int64_t>;
constexpr double none = -3e38;  // less than any logit; what is no candidate

// Nodes and constants behind the net, under names that begin with "detect/".
class Tail {
 public:
  explicit Tail(OnnxModel& model) : model_(model) {}

  std::string node(const std::string& op, std::vector<std::string> in,
                   std::map<std::string, OnnxAttribute> attributes = {}, std::string out = "") {
    return several(op, std::move(in), std::move(attributes), {out.empty() ? named(op) : std::move(out)})[0];
  }
  std::vector<std::string> several(const std::string& op, std::vector<std::string> in,
                                   std::map<std::string, OnnxAttribute> attributes,
                                   std::vector<std::string> out) {
    model_.nodes.push_back({op, named(op), std::move(in), out, std::move(attributes)});
    return out;
  }
  std::string constant(const Tensor& values) {
    const std::string name = named("constant");
    model_.initializers[name] = values;
    return name;
  }
  std::string number(double value) { return constant(full({}, value)); }
  std::string whole(std::int64_t value) { return constant(from_vector(Places{value}, {})); }
  std::string list(const Places& values) {
    return constant(from_vector(values, {static_cast<std::int64_t>(values.size())}));
  }
  std::string named(const std::string& wish) { return cat("detect/", wish, "_", ++count_); }

  // x[.., begin:end] along `axis`.
  std::string part(const std::string& x, std::int64_t axis, std::int64_t begin, std::int64_t end) {
    return node("Slice", {x, list({begin}), list({end}), list({axis})});
  }
  // The largest values of each row [N, P] and their places.
  std::pair<std::string, std::string> largest(const std::string& x, std::int64_t count) {
    const auto both = several("TopK", {x, list({count})}, {{"axis", std::int64_t{1}}},
                              {named("TopK_values"), named("TopK_places")});
    return {both[0], both[1]};
  }
  // Rows of x [N, P, ...] at places [N, Q] -> [N, Q, ...].
  std::string rows_at(const std::string& x, const std::string& places) {
    return node("GatherND", {x, node("Unsqueeze", {places, list({2})})}, {{"batch_dims", std::int64_t{1}}});
  }

 private:
  OnnxModel& model_;
  int count_ = 0;
};

// Candidates of a picture: [N, P] each.
struct Candidates {
  std::string logit, place;  // place in the logits of a picture, [A, K] row by row
  std::int64_t count;
};

Candidates candidates_of(Tail& t, const Places& levels, std::int64_t classes, const DetectOptions& o) {
  std::string logits = "logits";
  if (o.best_class) {
    const std::string best = t.node("ArgMax", {logits}, {{"axis", std::int64_t{2}}});
    Places numbers;
    for (std::int64_t k = 0; k < classes; ++k) numbers.push_back(k);
    logits = t.node("Where", {t.node("Equal", {best, t.list(numbers)}), logits, t.number(none)});
  }
  std::vector<std::string> values, places;
  std::int64_t begin = 0, count = 0;
  for (const std::int64_t anchors : levels) {
    const std::string of_level =
        t.node("Reshape", {t.part(logits, 1, begin, begin + anchors), t.list({0, anchors * classes})});
    const std::int64_t most = std::min(o.candidates, anchors * classes);
    const auto [value, place] = t.largest(of_level, most);
    values.push_back(value);
    places.push_back(t.node("Add", {place, t.whole(begin * classes)}));
    begin += anchors;
    count += most;
  }
  return {t.node("Concat", values, {{"axis", std::int64_t{1}}}),
          t.node("Concat", places, {{"axis", std::int64_t{1}}}), count};
}

// CoderMath::decode: [N, P, 4].
std::string decoded(Tail& t, const std::string& anchor_places, const std::vector<float>& anchors,
                    const BoxCoder& coder) {
  const bool corners = coder.form == BoxCoder::Form::corners;
  std::vector<float> from, size;  // corners or centres of the anchors; what their numbers are multiplied with
  for (std::size_t a = 0; a < anchors.size(); a += 4) {
    const float w = anchors[a + 2] - anchors[a], h = anchors[a + 3] - anchors[a + 1];
    size.insert(size.end(), {w, h, w, h});
    if (corners)
      from.insert(from.end(), anchors.begin() + static_cast<std::ptrdiff_t>(a),
                  anchors.begin() + static_cast<std::ptrdiff_t>(a) + 4);
    else
      from.insert(from.end(), {anchors[a] + 0.5F * w, anchors[a + 1] + 0.5F * h});
  }
  const auto count = static_cast<std::int64_t>(anchors.size() / 4);
  const auto at = [&](const std::vector<float>& values, std::int64_t columns) {
    return t.node("Gather", {t.constant(from_vector(values, {count, columns})), anchor_places},
                  {{"axis", std::int64_t{0}}});
  };
  const std::vector<double> deviation(coder.deviation.begin(), coder.deviation.end());
  const std::string scaled = t.node("Mul",
                                    {t.rows_at("deltas", anchor_places), t.constant(tensor(deviation, {4}))}),
                    sides = at(size, 4);
  if (corners) return t.node("Add", {at(from, 4), t.node("Mul", {scaled, sides})});
  const std::string of_anchor = t.part(sides, 2, 0, 2),
                    centre =
                        t.node("Add", {at(from, 2), t.node("Mul", {t.part(scaled, 2, 0, 2), of_anchor})}),
                    grown = t.node(
                        "Exp", {t.node("Min", {t.part(scaled, 2, 2, 4), t.number(std::log(1000.0 / 16))})}),
                    half = t.node("Mul", {t.node("Mul", {grown, of_anchor}), t.number(0.5)});
  return t.node("Concat", {t.node("Sub", {centre, half}), t.node("Add", {centre, half})},
                {{"axis", std::int64_t{2}}});
}

// Cut to the pictures, whose heights and widths are `size`.
std::string cut(Tail& t, const std::string& boxes) {
  const std::string ends =
      t.node("Cast", {t.node("Gather", {"size", t.list({1, 0, 1, 0})}, {{"axis", std::int64_t{1}}})},
             {{"to", std::int64_t{1}}});
  return t.node("Max", {t.node("Min", {boxes, t.node("Unsqueeze", {ends, t.list({1})})}), t.number(0)});
}

// The logits of candidates that stay, `none` for the others: [N, P].
std::string suppressed(Tail& t, const Candidates& c, const std::string& boxes, const std::string& label,
                       std::int64_t classes, const DetectOptions& o) {
  const double least = o.score > 0 ? std::log(o.score / (1 - o.score)) : none / 2;
  std::string by_class = t.node("Unsqueeze", {c.logit, t.list({1})});  // [N, classes, P]
  if (o.by_class) {
    Places numbers;
    for (std::int64_t k = 0; k < classes; ++k) numbers.push_back(k);
    const std::string mine = t.node("Equal", {t.node("Unsqueeze", {label, t.list({1})}),
                                              t.constant(from_vector(numbers, {1, classes, 1}))});
    by_class = t.node("Where", {mine, by_class, t.number(none)});
  }
  // Corners may be given as y and x or as x and y; more than `most` of a class are never needed.
  const std::string kept = t.node(
      "NonMaxSuppression",
      {boxes, by_class, t.list({o.most}), t.constant(full({1}, o.overlap)), t.constant(full({1}, least))});
  const std::string where = t.node("Gather", {kept, t.list({0, 2})}, {{"axis", std::int64_t{1}}}),
                    logits = t.node("GatherND", {c.logit, where}),
                    empty = t.node("Expand", {t.number(none), t.node("Shape", {c.logit})});
  return t.node("ScatterND", {empty, where, logits});
}

}  // namespace

OnnxModel onnx_of(DetectionTask& task, const OnnxOptions& options) {
  RetinaNet& net = task.net();
  std::vector<Pair> grids;
  const auto call = [&](const Tensor& x) {
    const DetectorOutput y = net(x);
    grids = y.grids;
    return y.tensors();
  };
  const std::int64_t height = options.image[1], width = options.image[2], least = net.least_size();
  require<UsageError>(height >= least && width >= least, "export: pictures of ", width, " x ", height,
                      " are too small for ", task.model(), ", which needs ", least,
                      " pixels a side; use a larger --input");
  OnnxModel model = onnx_of(net, call, {"logits", "deltas"}, options);
  Anchors anchors(task.settings().anchors);
  const Tensor places = anchors.of(grids, {static_cast<int>(height), static_cast<int>(width)}, cpu);
  const DetectOptions& o = task.settings().detect;
  const auto classes = static_cast<std::int64_t>(task.classes().size());

  Tail t(model);
  const Candidates c = candidates_of(t, anchors.counts(grids), classes, o);
  const std::string by = t.whole(classes), anchor = t.node("Div", {c.place, by}),
                    label = t.node("Mod", {c.place, by});
  const std::string boxes = cut(t, decoded(t, anchor, places.to_vector<float>(), o.coder));
  const std::int64_t most = std::min(o.most, c.count);
  const auto [logit, order] = t.largest(suppressed(t, c, boxes, label, classes, o), most);
  const std::string there = t.node("Greater", {logit, t.number(none / 1.5)});  // [N, most]
  t.node("Where", {t.node("Unsqueeze", {there, t.list({2})}), t.rows_at(boxes, order), t.number(-1)}, {},
         "boxes");
  t.node("Where", {there, t.node("Sigmoid", {logit}), t.number(-1)}, {}, "scores");
  t.node("Where", {there, t.rows_at(label, order), t.whole(-1)}, {}, "labels");
  t.node("ReduceSum", {t.node("Cast", {there}, {{"to", std::int64_t{7}}}), t.list({1})},
         {{"keepdims", std::int64_t{0}}}, "count");
  model.inputs.push_back({"size", {-1, 2}, DType::int64});
  model.outputs = {{"boxes", {-1, most, 4}},
                   {"scores", {-1, most}},
                   {"labels", {-1, most}, DType::int64},
                   {"count", {-1}, DType::int64}};
  return model;
}

}  // namespace gadolin
