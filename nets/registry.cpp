#include "nets/registry.h"

#include <algorithm>
#include <functional>

#include "nets/densenet.h"
#include "nets/inception.h"
#include "nets/option_fields.h"
#include "nets/resnet.h"
#include "nets/vgg.h"

namespace gadolin {
namespace {

using detail::List;
using detail::Read;

// Each family's options under the names of configuration files: what visits them either lists or reads them.
template <class V> void visit_options(V&& v, ResNetOptions& o) {
  v("width", o.width);
  v("small_input", o.small_input);
  v("zero_init_residual", o.zero_init_residual);
  v("stride_in_1x1", o.stride_in_1x1);
  v("stride_in_last_unit", o.stride_in_last_unit);
  v("same_pooling", o.same_pooling);
  v("conv_bias", o.conv_bias);
}
template <class V> void visit_options(V&& v, DenseNetOptions& o) {
  v("growth_rate", o.growth_rate);
  v("num_init_features", o.num_init_features);
  v("bn_size", o.bn_size);
  v("drop_rate", o.drop_rate);
  v("small_input", o.small_input);
}
template <class V> void visit_options(V&& v, VGGOptions& o) {
  v("dropout", o.dropout);
  v("width_divisor", o.width_divisor);
}
template <class V> void visit_options(V&& v, InceptionOptions& o) {
  v("dropout", o.dropout);
  v("dropout_aux", o.dropout_aux);
  v("aux_logits", o.aux_logits);
  v("transform_input", o.transform_input);
  v("count_include_pad", o.count_include_pad);
  v("width_divisor", o.width_divisor);
}

template <class Net, class... First> auto builds(First... first) {
  return [=](const auto& options) { return std::make_unique<Net>(first..., options); };
}

struct NetTable {
  std::vector<NetInfo> infos;
  std::map<std::string, std::function<std::unique_ptr<ImageNet>(const NetOptions&, bool classifies)>> makers;
  NetTable();

  // A net whose constructor takes its family's options (after what `build` adds).
  // `without`: options of the family that are not for this net.
  template <class Options, class Build>
  void add(const std::string& name, const char* about, const char* weights, std::int64_t size,
           Options defaults, Build build, const std::vector<std::string>& without = {}) {
    NetInfo& info =
        infos.emplace_back(NetInfo{name, about, weights, {3, size, size}, {"num_classes", "input_channels"}});
    visit_options(List{info.options}, defaults);
    std::erase_if(info.options, [&](const std::string& option) {
      return std::count(without.begin(), without.end(), option) > 0;
    });
    makers[name] = [name, defaults, build](const NetOptions& given, bool classifies) {
      Options o = defaults;
      const Read read{name, given};
      read("num_classes", o.num_classes);
      if (!classifies) o.num_classes = 0;
      read("input_channels", o.input_channels);
      visit_options(read, o);
      return std::unique_ptr<ImageNet>(build(o));
    };
  }
};

NetTable::NetTable() {
  for (const int depth : {18, 34, 50, 101, 152, 200}) {
    add(cat("resnet", depth), "He et al. 2015, stride on the 3x3 (v1.5)", "torchvision", 224, ResNetOptions{},
        builds<ResNet>(depth));
  }
  for (const int depth : {18, 34, 50, 101, 152, 200}) {
    add(cat("resnet_v2_", depth), "He et al. 2016, pre-activation", "Gadolin", 224, ResNetOptions{},
        builds<ResNetV2>(depth));
  }
  for (const int depth : {121, 161, 169, 201}) {
    add(cat("densenet", depth), "Huang et al. 2017", "torchvision", 224, densenet_options(depth),
        builds<DenseNet>());
  }
  for (const bool norm : {false, true}) {
    for (const int depth : {11, 13, 16, 19}) {
      VGGOptions options;
      options.batch_norm = norm;
      add(cat("vgg", depth, norm ? "_bn" : ""),
          norm ? "Simonyan and Zisserman 2015, with batch norm" : "Simonyan and Zisserman 2015",
          "torchvision", 224, options, builds<VGG>(depth));
    }
  }
  add("googlenet", "Szegedy et al. 2015, with batch norm", "torchvision", 224, InceptionOptions{},
      builds<GoogLeNet>(), {"count_include_pad"});
  add("inception_v3", "Szegedy et al. 2016", "torchvision", 299, InceptionOptions{}, builds<InceptionV3>(),
      {"dropout_aux"});
  InceptionOptions as_timm;
  as_timm.aux_logits = false;
  const std::vector<std::string> not_there{"dropout_aux", "transform_input", "count_include_pad"};
  add("inception_v4", "Szegedy et al. 2017", "timm", 299, as_timm, builds<InceptionV4>(), not_there);
  add("inception_resnet_v2", "Szegedy et al. 2017", "timm", 299, as_timm, builds<InceptionResNetV2>(),
      not_there);
}

const NetTable& table() {
  static const NetTable all;
  return all;
}

std::unique_ptr<ImageNet> make(const std::string& name, const NetOptions& options, bool classifies) {
  detail::check_known(name, options, net_info(name).options);
  return table().makers.at(name)(options, classifies);
}

}  // namespace

const std::vector<NetInfo>& nets() { return table().infos; }

const NetInfo& net_info(const std::string& name) { return detail::find_info("model", nets(), name); }

std::unique_ptr<ImageNet> make_net(const std::string& name, const NetOptions& options) {
  return make(name, options, true);
}
std::unique_ptr<ImageNet> make_trunk(const std::string& name, const NetOptions& options) {
  return make(name, options, false);
}

}  // namespace gadolin
