// TF-Slim's names of the variables of its nets, and ours.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "nets/registry.h"

namespace gadolin {

// A layer of Slim's: its scope, our layer with the weights and our batch norm behind it; "" where there is
// none. `linear`: a linear layer here, though it may be a convolution there.
struct SlimLayer {
  std::string scope, layer, norm = {};
  bool linear = false;
};

// What Slim calls the layers of one net.
struct SlimNames {
  std::string scope;  // of all variables: "resnet_v1_50"
  std::vector<SlimLayer> layers;
  NetOptions conventions = {};  // options of ours that Slim's weights were trained with

  // A convolution with its batch norm, which is a ConvNormRelu here.
  void conv(const std::string& theirs, const std::string& ours) {
    layers.push_back({theirs, ours + ".conv", ours + ".bn"});
  }
  // Several of them, each {theirs, ours} inside a block.
  using Convs = std::vector<std::array<const char*, 2>>;
  void block(const std::string& theirs, const std::string& ours, const Convs& convs) {
    for (const auto& [scope_inside, name_inside] : convs)
      conv(theirs + "/" + scope_inside, ours + "." + name_inside);
  }
};

SlimNames slim_names_of_resnet(int depth);     // resnet_v1_`depth`, from 50 on
SlimNames slim_names_of_resnet_v2(int depth);  // resnet_v2_`depth`, from 50 on
SlimNames slim_names_of_vgg(int depth);        // vgg_16 or vgg_19
SlimNames slim_names_of_inception_v3();
SlimNames slim_names_of_inception_v4();
SlimNames slim_names_of_inception_resnet_v2();

}  // namespace gadolin
