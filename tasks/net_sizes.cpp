// What the nets weigh as they come: parameters, and multiply-adds of one picture of their input size. Written
// down, since building all of them to count takes a minute; tests/tasks/summary.cpp counts and compares.
#include "tasks/net_sizes.h"

#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr NetSize net_sizes[] = {
    {"resnet18", 11689512, 1814073344},
    {"resnet34", 21797672, 3663761408},
    {"resnet50", 25557032, 4089184256},
    {"resnet101", 44549160, 7801405440},
    {"resnet152", 60192808, 11513626624},
    {"resnet200", 64673832, 15007481856},
    {"resnet_v2_18", 11687720, 1814073344},
    {"resnet_v2_34", 21795880, 3663761408},
    {"resnet_v2_50", 25549352, 4089184256},
    {"resnet_v2_101", 44541480, 7801405440},
    {"resnet_v2_152", 60185128, 11513626624},
    {"resnet_v2_200", 64666152, 15007481856},
    {"densenet121", 7978856, 2834161664},
    {"densenet161", 28681000, 7727907072},
    {"densenet169", 14149480, 3359843328},
    {"densenet201", 20013928, 4291365888},
    {"vgg11", 132863336, 7609090048},
    {"vgg13", 133047848, 11308466176},
    {"vgg16", 138357544, 15470264320},
    {"vgg19", 143667240, 19632062464},
    {"vgg11_bn", 132868840, 7609090048},
    {"vgg13_bn", 133053736, 11308466176},
    {"vgg16_bn", 138365992, 15470264320},
    {"vgg19_bn", 143678248, 19632062464},
    {"googlenet", 13004888, 1498376192},
    {"inception_v3", 27161264, 5713216096},
    {"inception_v4", 42679816, 12253974624},
    {"inception_resnet_v2", 55843464, 13155794016},
    {"lstm", 5250054, 314757120},  // a sequence of 60 steps
};

// Of 91 classes, and pictures of 512 x 512; counted by tests/tasks/summary.cpp.
constexpr NetSize detector_sizes[] = {
    {"retinanet_resnet18_fpn", 21048471, 49420414976},
    {"retinanet_resnet18_fpn_v2", 21640343, 49458163712},
    {"retinanet_resnet34_fpn", 31156631, 59084091392},
    {"retinanet_resnet34_fpn_v2", 31748503, 59121840128},
    {"retinanet_resnet50_fpn", 34068119, 62003326976},
    {"retinanet_resnet50_fpn_v2", 38198935, 62267568128},
    {"retinanet_resnet101_fpn", 53060247, 81397788672},
    {"retinanet_resnet101_fpn_v2", 57191063, 81662029824},
    {"retinanet_resnet152_fpn", 68703895, 100792250368},
    {"retinanet_resnet152_fpn_v2", 72834711, 101056491520},
    {"retinanet_vgg16_fpn", 24684951, 120325124096},
    {"retinanet_vgg16_fpn_v2", 25276823, 120362872832},
    {"retinanet_vgg19_fpn", 29994647, 142068396032},
    {"retinanet_vgg19_fpn_v2", 30586519, 142106144768},
    {"retinanet_densenet121_fpn", 17251799, 55384715264},
    {"retinanet_densenet121_fpn_v2", 19023319, 55497961472},
    {"retinanet_densenet169_fpn", 23011799, 58236841984},
    {"retinanet_densenet169_fpn_v2", 26257879, 58444460032},
    {"retinanet_densenet201_fpn", 28816855, 63253229568},
    {"retinanet_densenet201_fpn_v2", 32652759, 63498596352},
};

}  // namespace

const NetSize& net_size(const std::string& name) {
  for (const NetSize& s : net_sizes)
    if (name == s.name) return s;
  for (const NetSize& s : detector_sizes)
    if (name == s.name) return s;
  fail<ValueError>("nets: ", name, " has no row in tasks/net_sizes.cpp; gadolin summary counts");
}

}  // namespace gadolin
