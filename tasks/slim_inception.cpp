// Inception v3, v4 and Inception-ResNet v2 as TF-Slim has them.
#include "tasks/slim_names.h"
#include "tensor/check.h"

namespace gadolin {

SlimNames slim_names_of_inception_v3() {
  SlimNames names{"InceptionV3", {}, {{"count_include_pad", false}}};
  for (const char* stem :
       {"Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"})
    names.conv(stem, stem);
  const SlimNames::Convs a{
      {"Branch_0/Conv2d_0a_1x1", "branch1x1"},      {"Branch_1/Conv2d_0a_1x1", "branch5x5_1"},
      {"Branch_1/Conv2d_0b_5x5", "branch5x5_2"},    {"Branch_2/Conv2d_0a_1x1", "branch3x3dbl_1"},
      {"Branch_2/Conv2d_0b_3x3", "branch3x3dbl_2"}, {"Branch_2/Conv2d_0c_3x3", "branch3x3dbl_3"},
      {"Branch_3/Conv2d_0b_1x1", "branch_pool"}};
  SlimNames::Convs odd = a;  // a slip of Slim's that its checkpoints keep
  odd[1][0] = "Branch_1/Conv2d_0b_1x1";
  odd[2][0] = "Branch_1/Conv_1_0c_5x5";
  const SlimNames::Convs b{{"Branch_0/Conv2d_1a_1x1", "branch3x3"},
                           {"Branch_1/Conv2d_0a_1x1", "branch3x3dbl_1"},
                           {"Branch_1/Conv2d_0b_3x3", "branch3x3dbl_2"},
                           {"Branch_1/Conv2d_1a_1x1", "branch3x3dbl_3"}};
  const SlimNames::Convs c{
      {"Branch_0/Conv2d_0a_1x1", "branch1x1"},      {"Branch_1/Conv2d_0a_1x1", "branch7x7_1"},
      {"Branch_1/Conv2d_0b_1x7", "branch7x7_2"},    {"Branch_1/Conv2d_0c_7x1", "branch7x7_3"},
      {"Branch_2/Conv2d_0a_1x1", "branch7x7dbl_1"}, {"Branch_2/Conv2d_0b_7x1", "branch7x7dbl_2"},
      {"Branch_2/Conv2d_0c_1x7", "branch7x7dbl_3"}, {"Branch_2/Conv2d_0d_7x1", "branch7x7dbl_4"},
      {"Branch_2/Conv2d_0e_1x7", "branch7x7dbl_5"}, {"Branch_3/Conv2d_0b_1x1", "branch_pool"}};
  const SlimNames::Convs d{
      {"Branch_0/Conv2d_0a_1x1", "branch3x3_1"},   {"Branch_0/Conv2d_1a_3x3", "branch3x3_2"},
      {"Branch_1/Conv2d_0a_1x1", "branch7x7x3_1"}, {"Branch_1/Conv2d_0b_1x7", "branch7x7x3_2"},
      {"Branch_1/Conv2d_0c_7x1", "branch7x7x3_3"}, {"Branch_1/Conv2d_1a_3x3", "branch7x7x3_4"}};
  const SlimNames::Convs e{
      {"Branch_0/Conv2d_0a_1x1", "branch1x1"},       {"Branch_1/Conv2d_0a_1x1", "branch3x3_1"},
      {"Branch_1/Conv2d_0b_1x3", "branch3x3_2a"},    {"Branch_1/Conv2d_0b_3x1", "branch3x3_2b"},
      {"Branch_2/Conv2d_0a_1x1", "branch3x3dbl_1"},  {"Branch_2/Conv2d_0b_3x3", "branch3x3dbl_2"},
      {"Branch_2/Conv2d_0c_1x3", "branch3x3dbl_3a"}, {"Branch_2/Conv2d_0d_3x1", "branch3x3dbl_3b"},
      {"Branch_3/Conv2d_0b_1x1", "branch_pool"}};
  SlimNames::Convs last = e;
  last[3][0] = "Branch_1/Conv2d_0c_3x1";
  const std::pair<const char*, const SlimNames::Convs&> blocks[] = {
      {"Mixed_5b", a}, {"Mixed_5c", odd}, {"Mixed_5d", a},   {"Mixed_6a", b},
      {"Mixed_6b", c}, {"Mixed_6c", c},   {"Mixed_6d", c},   {"Mixed_6e", c},
      {"Mixed_7a", d}, {"Mixed_7b", e},   {"Mixed_7c", last}};
  for (const auto& [name, convs] : blocks) names.block(name, name, convs);
  names.conv("AuxLogits/Conv2d_1b_1x1", "AuxLogits.conv0");
  names.conv("AuxLogits/Conv2d_2a_5x5", "AuxLogits.conv1");
  names.layers.push_back({"AuxLogits/Conv2d_2b_1x1", "AuxLogits.fc", "", true});
  names.layers.push_back({"Logits/Conv2d_1c_1x1", "fc", "", true});
  return names;
}

SlimNames slim_names_of_inception_v4() {
  SlimNames names{"InceptionV4", {}};
  const SlimNames::Convs three_a{{"Branch_1/Conv2d_0a_3x3", "conv"}};
  const SlimNames::Convs four_a{
      {"Branch_0/Conv2d_0a_1x1", "branch0.0"}, {"Branch_0/Conv2d_1a_3x3", "branch0.1"},
      {"Branch_1/Conv2d_0a_1x1", "branch1.0"}, {"Branch_1/Conv2d_0b_1x7", "branch1.1"},
      {"Branch_1/Conv2d_0c_7x1", "branch1.2"}, {"Branch_1/Conv2d_1a_3x3", "branch1.3"}};
  const SlimNames::Convs five_a{{"Branch_0/Conv2d_1a_3x3", "conv"}};
  const SlimNames::Convs a{{"Branch_0/Conv2d_0a_1x1", "branch0"},   {"Branch_1/Conv2d_0a_1x1", "branch1.0"},
                           {"Branch_1/Conv2d_0b_3x3", "branch1.1"}, {"Branch_2/Conv2d_0a_1x1", "branch2.0"},
                           {"Branch_2/Conv2d_0b_3x3", "branch2.1"}, {"Branch_2/Conv2d_0c_3x3", "branch2.2"},
                           {"Branch_3/Conv2d_0b_1x1", "branch3.1"}};
  const SlimNames::Convs reduction_a{{"Branch_0/Conv2d_1a_3x3", "branch0"},
                                     {"Branch_1/Conv2d_0a_1x1", "branch1.0"},
                                     {"Branch_1/Conv2d_0b_3x3", "branch1.1"},
                                     {"Branch_1/Conv2d_1a_3x3", "branch1.2"}};
  const SlimNames::Convs b{{"Branch_0/Conv2d_0a_1x1", "branch0"},   {"Branch_1/Conv2d_0a_1x1", "branch1.0"},
                           {"Branch_1/Conv2d_0b_1x7", "branch1.1"}, {"Branch_1/Conv2d_0c_7x1", "branch1.2"},
                           {"Branch_2/Conv2d_0a_1x1", "branch2.0"}, {"Branch_2/Conv2d_0b_7x1", "branch2.1"},
                           {"Branch_2/Conv2d_0c_1x7", "branch2.2"}, {"Branch_2/Conv2d_0d_7x1", "branch2.3"},
                           {"Branch_2/Conv2d_0e_1x7", "branch2.4"}, {"Branch_3/Conv2d_0b_1x1", "branch3.1"}};
  const SlimNames::Convs reduction_b{
      {"Branch_0/Conv2d_0a_1x1", "branch0.0"}, {"Branch_0/Conv2d_1a_3x3", "branch0.1"},
      {"Branch_1/Conv2d_0a_1x1", "branch1.0"}, {"Branch_1/Conv2d_0b_1x7", "branch1.1"},
      {"Branch_1/Conv2d_0c_7x1", "branch1.2"}, {"Branch_1/Conv2d_1a_3x3", "branch1.3"}};
  const SlimNames::Convs c{{"Branch_0/Conv2d_0a_1x1", "branch0"},    {"Branch_1/Conv2d_0a_1x1", "branch1_0"},
                           {"Branch_1/Conv2d_0b_1x3", "branch1_1a"}, {"Branch_1/Conv2d_0c_3x1", "branch1_1b"},
                           {"Branch_2/Conv2d_0a_1x1", "branch2_0"},  {"Branch_2/Conv2d_0b_3x1", "branch2_1"},
                           {"Branch_2/Conv2d_0c_1x3", "branch2_2"},  {"Branch_2/Conv2d_0d_1x3", "branch2_3a"},
                           {"Branch_2/Conv2d_0e_3x1", "branch2_3b"}, {"Branch_3/Conv2d_0b_1x1", "branch3.1"}};
  int index = 0;
  const auto next = [&] { return cat("features.", index++); };
  for (const char* stem : {"Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"}) names.conv(stem, next());
  const std::pair<const char*, const SlimNames::Convs&> blocks[] = {
      {"Mixed_3a", three_a}, {"Mixed_4a", four_a}, {"Mixed_5a", five_a}, {"Mixed_5b", a},
      {"Mixed_5c", a},       {"Mixed_5d", a},      {"Mixed_5e", a},      {"Mixed_6a", reduction_a},
      {"Mixed_6b", b},       {"Mixed_6c", b},      {"Mixed_6d", b},      {"Mixed_6e", b},
      {"Mixed_6f", b},       {"Mixed_6g", b},      {"Mixed_6h", b},      {"Mixed_7a", reduction_b},
      {"Mixed_7b", c},       {"Mixed_7c", c},      {"Mixed_7d", c}};
  for (const auto& [name, convs] : blocks) names.block(name, next(), convs);
  names.conv("AuxLogits/Conv2d_1b_1x1", "AuxLogits.conv0");
  names.conv("AuxLogits/Conv2d_2a", "AuxLogits.conv1");
  names.layers.push_back({"AuxLogits/Aux_logits", "AuxLogits.fc", "", true});
  names.layers.push_back({"Logits/Logits", "last_linear", "", true});
  return names;
}

SlimNames slim_names_of_inception_resnet_v2() {
  SlimNames names{"InceptionResnetV2", {}};
  const SlimNames::Convs mixed_5b{
      {"Branch_0/Conv2d_1x1", "branch0"},      {"Branch_1/Conv2d_0a_1x1", "branch1.0"},
      {"Branch_1/Conv2d_0b_5x5", "branch1.1"}, {"Branch_2/Conv2d_0a_1x1", "branch2.0"},
      {"Branch_2/Conv2d_0b_3x3", "branch2.1"}, {"Branch_2/Conv2d_0c_3x3", "branch2.2"},
      {"Branch_3/Conv2d_0b_1x1", "branch3.1"}};
  const SlimNames::Convs block35{
      {"Branch_0/Conv2d_1x1", "branch0"},      {"Branch_1/Conv2d_0a_1x1", "branch1.0"},
      {"Branch_1/Conv2d_0b_3x3", "branch1.1"}, {"Branch_2/Conv2d_0a_1x1", "branch2.0"},
      {"Branch_2/Conv2d_0b_3x3", "branch2.1"}, {"Branch_2/Conv2d_0c_3x3", "branch2.2"}};
  const SlimNames::Convs mixed_6a{{"Branch_0/Conv2d_1a_3x3", "branch0"},
                                  {"Branch_1/Conv2d_0a_1x1", "branch1.0"},
                                  {"Branch_1/Conv2d_0b_3x3", "branch1.1"},
                                  {"Branch_1/Conv2d_1a_3x3", "branch1.2"}};
  const SlimNames::Convs block17{{"Branch_0/Conv2d_1x1", "branch0"},
                                 {"Branch_1/Conv2d_0a_1x1", "branch1.0"},
                                 {"Branch_1/Conv2d_0b_1x7", "branch1.1"},
                                 {"Branch_1/Conv2d_0c_7x1", "branch1.2"}};
  const SlimNames::Convs mixed_7a{
      {"Branch_0/Conv2d_0a_1x1", "branch0.0"}, {"Branch_0/Conv2d_1a_3x3", "branch0.1"},
      {"Branch_1/Conv2d_0a_1x1", "branch1.0"}, {"Branch_1/Conv2d_1a_3x3", "branch1.1"},
      {"Branch_2/Conv2d_0a_1x1", "branch2.0"}, {"Branch_2/Conv2d_0b_3x3", "branch2.1"},
      {"Branch_2/Conv2d_1a_3x3", "branch2.2"}};
  const SlimNames::Convs block8{{"Branch_0/Conv2d_1x1", "branch0"},
                                {"Branch_1/Conv2d_0a_1x1", "branch1.0"},
                                {"Branch_1/Conv2d_0b_1x3", "branch1.1"},
                                {"Branch_1/Conv2d_0c_3x1", "branch1.2"}};
  const auto residual = [&](const std::string& theirs, const std::string& ours,
                            const SlimNames::Convs& convs) {
    names.block(theirs, ours, convs);
    names.layers.push_back({theirs + "/Conv2d_1x1", ours + ".conv2d"});
  };
  const auto repeat = [&](const std::string& theirs, const std::string& ours, int times,
                          const SlimNames::Convs& convs) {
    for (int i = 0; i < times; ++i) residual(cat(theirs, i + 1), cat(ours, i), convs);
  };
  names.conv("Conv2d_1a_3x3", "conv2d_1a");
  names.conv("Conv2d_2a_3x3", "conv2d_2a");
  names.conv("Conv2d_2b_3x3", "conv2d_2b");
  names.conv("Conv2d_3b_1x1", "conv2d_3b");
  names.conv("Conv2d_4a_3x3", "conv2d_4a");
  names.block("Mixed_5b", "mixed_5b", mixed_5b);
  repeat("Repeat/block35_", "repeat.", 10, block35);
  names.block("Mixed_6a", "mixed_6a", mixed_6a);
  repeat("Repeat_1/block17_", "repeat_1.", 20, block17);
  names.block("Mixed_7a", "mixed_7a", mixed_7a);
  repeat("Repeat_2/block8_", "repeat_2.", 9, block8);
  residual("Block8", "block8", block8);
  names.conv("Conv2d_7b_1x1", "conv2d_7b");
  names.conv("AuxLogits/Conv2d_1b_1x1", "AuxLogits.conv0");
  names.conv("AuxLogits/Conv2d_2a_5x5", "AuxLogits.conv1");
  names.layers.push_back({"AuxLogits/Logits", "AuxLogits.fc", "", true});
  names.layers.push_back({"Logits/Logits", "classif", "", true});
  return names;
}

}  // namespace gadolin
