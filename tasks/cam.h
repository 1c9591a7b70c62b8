// Class-activation maps: which places of a picture a net's answer rests on.
#pragma once

#include <functional>
#include <string>

#include "layers/module.h"

namespace gadolin {

// Grad-CAM (Selvaraju et al. 2017, equations 1 and 2): the layer's channels, weighted by the mean gradient of
// the class's logit over their places, summed, negative sums 0, divided by the largest value of each picture.
// x [N, C, H, W] -> fp32 [N, h, w] in [0, 1] on the CPU, h x w being the layer's size; all 0 where nothing
// speaks for the class. `layer`: a path of `gadolin summary`; "": cam_layer. The net runs in evaluation mode
// and only what lies above the layer is differentiated; the mode, requires_grad and gradients are put back.
// Throws UsageError for a layer that does not give [N, C, H, W], ValueError for a class the net does not
// have.
Tensor grad_cam(Layer& net, const Tensor& x, int target, const std::string& layer = "");

// The same for any module: `evidence` calls it and gives the scalar whose gradient is followed, such as
// [&] { return task.evidence(batch, target); }. It is called several times.
Tensor grad_cam(Module& net, const std::function<Tensor()>& evidence, const std::string& layer = "");

// The last module called whose result is [N, C, H, W] with more than one place (or just one, when there is no
// other): "layer4" of a ResNet, "features" of a DenseNet, "Mixed_7c" of Inception v3.
std::string cam_layer(Layer& net, const Tensor& x);
// The same for any module that `run` calls.
std::string cam_layer(Module& net, const std::function<Tensor()>& run);

}  // namespace gadolin
