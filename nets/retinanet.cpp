#include "nets/retinanet.h"

#include <cmath>

#include "layers/conv_norm.h"
#include "layers/init.h"
#include "layers/norm.h"
#include "tensor/ops.h"

namespace gadolin {
namespace {

Conv2d head_conv(int in, int out, bool bias = true) {
  Conv2d conv(in, out, 3, {.padding = 1, .bias = bias});
  Tensor weight = conv.weight();
  normal_(weight, 0, 0.01);
  return conv;
}

}  // namespace

AnchorHead::AnchorHead(int channels, int anchors, int values, const std::string& last, bool group_norm)
    : values_(values) {
  for (int i = 0; i < 4; ++i) {
    convs_.push_back(&add(cat("conv.", i, ".0"), head_conv(channels, channels, !group_norm)));
    if (group_norm) norms_.push_back(&add(cat("conv.", i, ".1"), GroupNorm(32, channels)));
  }
  last_ = &add(last, head_conv(channels, anchors * values));
}

Tensor AnchorHead::operator()(const Tensor& x) {
  return called(x, [&] {
    Tensor y = x;
    for (std::size_t i = 0; i < convs_.size(); ++i)
      y = norms_.empty() ? conv_then(*convs_[i], y, {.relu = true}) : relu((*norms_[i])((*convs_[i])(y)));
    y = (*last_)(y).permute({0, 2, 3, 1});
    return y.reshape({y.size(0), y.size(1) * y.size(2) * y.size(3) / values_, values_});
  });
}

RetinaNet::RetinaNet(std::unique_ptr<ImageNet> body, const RetinaNetOptions& o)
    : options_(o), body_(body.get()) {
  std::vector<int> stages = body->stage_channels();
  require<ValueError>(stages.size() == 4, "retinanet: ", body->kind(), " tells of ", stages.size(),
                      " stages; a trunk with stages at strides 4, 8, 16 and 32 is needed");
  require<ValueError>(o.prior > 0 && o.prior < 1, "retinanet: prior ", o.prior, " is outside (0, 1)");
  adopt("backbone.body", std::move(body));
  fpn_ = &add("backbone.fpn", Fpn({stages[1], stages[2], stages[3]}, o.fpn));
  const int wide = o.fpn.channels;
  classes_ = &add("head.classification_head",
                  AnchorHead(wide, o.anchors, o.num_classes, "cls_logits", o.group_norm));
  boxes_ = &add("head.regression_head", AnchorHead(wide, o.anchors, 4, "bbox_reg", o.group_norm));
  Tensor bias = classes_->last().bias();
  {
    const NoGrad guard;
    bias.fill_(-std::log((1 - o.prior) / o.prior));
  }
  std::vector<std::string> norms;
  body_->visit([&](const std::string& path, Module& module) {
    if (auto* norm = dynamic_cast<BatchNorm2d*>(&module)) {
      norm->set_eps(o.norm_eps);
      norms.push_back(path);
    }
  });
  if (o.frozen_norm) body_->freeze(norms);
}

DetectorOutput RetinaNet::operator()(const Tensor& x) {
  return called(x, [&] {
    std::vector<Tensor> levels = body_->features(x), logits, deltas;
    levels.erase(levels.begin());
    levels = (*fpn_)(levels);  // the heads, which make the largest tensors, do without the stages
    DetectorOutput y;
    for (const Tensor& level : levels) {
      y.grids.emplace_back(static_cast<int>(level.size(2)), static_cast<int>(level.size(3)));
      logits.push_back((*classes_)(level));
      deltas.push_back((*boxes_)(level));
    }
    levels.clear();  // before logits are there twice
    y.logits = concat(logits, 1);
    y.deltas = concat(deltas, 1);
    return y;
  });
}

}  // namespace gadolin
