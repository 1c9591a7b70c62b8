#include "nets/retinanet.h"

#include "nets/option_fields.h"

namespace gadolin {
namespace {

template <class V> void visit_options(V&& v, RetinaNetOptions& o) {
  v("num_classes", o.num_classes);
  v("anchors", o.anchors);
  v("channels", o.fpn.channels);
  v("p6_from_c5", o.fpn.p6_from_c5);
  v("legacy", o.fpn.legacy);
  v("group_norm", o.group_norm);
  v("frozen_norm", o.frozen_norm);
  v("norm_eps", o.norm_eps);
  v("prior", o.prior);
}

const char* const backbones[] = {"resnet18", "resnet34", "resnet50",    "resnet101",   "resnet152",
                                 "vgg16",    "vgg19",    "densenet121", "densenet169", "densenet201"};

}  // namespace

std::string backbone_of(const std::string& detector) {
  return detector.substr(10, detector.find("_fpn") - 10);
}

const std::vector<NetInfo>& detectors() {
  static const std::vector<NetInfo> all = [] {
    std::vector<NetInfo> list;
    for (const std::string backbone : backbones) {
      for (const bool second : {false, true}) {
        NetInfo info = net_info(backbone);
        info.name = "retinanet_" + backbone + "_fpn" + (second ? "_v2" : "");
        info.about = second ? "Lin et al. 2017, group norm in the heads, P6 from C5" : "Lin et al. 2017";
        info.input = {3, 512, 512};
        std::erase(info.options, "num_classes");
        RetinaNetOptions fields;
        visit_options(detail::List{info.options}, fields);
        list.push_back(std::move(info));
      }
    }
    return list;
  }();
  return all;
}

const NetInfo& detector_info(const std::string& name) {
  return detail::find_info("detector", detectors(), name);
}

std::unique_ptr<RetinaNet> make_detector(const std::string& name, const NetOptions& given) {
  detail::check_known(name, given, detector_info(name).options);
  RetinaNetOptions options;
  options.group_norm = options.fpn.p6_from_c5 = name.ends_with("_v2");
  visit_options(detail::Read{name, given}, options);
  NetOptions of_body = given;
  std::vector<std::string> mine;
  visit_options(detail::List{mine}, options);
  for (const std::string& option : mine) of_body.erase(option);
  return std::make_unique<RetinaNet>(make_trunk(backbone_of(name), of_body), options);
}

}  // namespace gadolin
