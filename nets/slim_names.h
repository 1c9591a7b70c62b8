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

// What Slim calls the layers of one net. Each net that Slim has too exports such a table from the file of its
// constructor.
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

}  // namespace gadolin
