#include "nets/inception.h"

namespace gadolin {
namespace {

using detail::around;
using detail::halves;
using detail::high;
using detail::wide;

// Figures 5 to 7.
void v3_a(Branches& b, const PoolOptions& window, int pool_features) {  // 35 x 35
  b.branch({{"branch1x1", 64, 1}});
  b.branch({{"branch5x5_1", 48, 1}, {"branch5x5_2", 64, 5, {.padding = 2}}});
  b.branch({{"branch3x3dbl_1", 64, 1}, {"branch3x3dbl_2", 96, 3, around}, {"branch3x3dbl_3", 96, 3, around}});
  b.average_pool(window, {"branch_pool", pool_features, 1});
}
void v3_b(Branches& b) {  // to 17 x 17
  b.branch({{"branch3x3", 384, 3, halves}});
  b.branch({{"branch3x3dbl_1", 64, 1}, {"branch3x3dbl_2", 96, 3, around}, {"branch3x3dbl_3", 96, 3, halves}});
  b.max_pool({3, 2});
}
void v3_c(Branches& b, const PoolOptions& window, int c7) {  // 17 x 17, 7x7 as 1x7 and 7x1
  b.branch({{"branch1x1", 192, 1}});
  b.branch({{"branch7x7_1", c7, 1}, wide("branch7x7_2", c7, 7), high("branch7x7_3", 192, 7)});
  b.branch({{"branch7x7dbl_1", c7, 1},
            high("branch7x7dbl_2", c7, 7),
            wide("branch7x7dbl_3", c7, 7),
            high("branch7x7dbl_4", c7, 7),
            wide("branch7x7dbl_5", 192, 7)});
  b.average_pool(window, {"branch_pool", 192, 1});
}
void v3_d(Branches& b) {  // to 8 x 8
  b.branch({{"branch3x3_1", 192, 1}, {"branch3x3_2", 320, 3, halves}});
  b.branch({{"branch7x7x3_1", 192, 1},
            wide("branch7x7x3_2", 192, 7),
            high("branch7x7x3_3", 192, 7),
            {"branch7x7x3_4", 192, 3, halves}});
  b.max_pool({3, 2});
}
void v3_e(Branches& b, const PoolOptions& window) {  // 8 x 8, the filter bank as wide as it is deep
  b.branch({{"branch1x1", 320, 1}});
  b.branch({{"branch3x3_1", 384, 1}}, {wide("branch3x3_2a", 384, 3), high("branch3x3_2b", 384, 3)});
  b.branch({{"branch3x3dbl_1", 448, 1}, {"branch3x3dbl_2", 384, 3, around}},
           {wide("branch3x3dbl_3a", 384, 3), high("branch3x3dbl_3b", 384, 3)});
  b.average_pool(window, {"branch_pool", 192, 1});
}

}  // namespace

InceptionV3::InceptionV3(const InceptionOptions& o) : InceptionNet("InceptionV3", "inception_v3", 75, o) {
  const PoolOptions window = detail::neighbours(o.count_include_pad);
  conv("Conv2d_1a_3x3", 32, 3, halves);
  conv("Conv2d_2a_3x3", 32, 3);
  conv("Conv2d_2b_3x3", 64, 3, around);
  part("maxpool1", MaxPool2d({3, 2}));
  conv("Conv2d_3b_1x1", 80, 1);
  conv("Conv2d_4a_3x3", 192, 3);
  ends_stage();
  part("maxpool2", MaxPool2d({3, 2}));
  block("Mixed_5b", "InceptionA", v3_a, window, 32);
  block("Mixed_5c", "InceptionA", v3_a, window, 64);
  block("Mixed_5d", "InceptionA", v3_a, window, 64);
  ends_stage();
  block("Mixed_6a", "InceptionB", v3_b);
  block("Mixed_6b", "InceptionC", v3_c, window, 128);
  block("Mixed_6c", "InceptionC", v3_c, window, 160);
  block("Mixed_6d", "InceptionC", v3_c, window, 160);
  block("Mixed_6e", "InceptionC", v3_c, window, 192);
  ends_stage();
  auxiliary<InceptionAux>("AuxLogits", last_part());
  block("Mixed_7a", "InceptionD", v3_d);
  block("Mixed_7b", "InceptionE", v3_e, window);
  block("Mixed_7c", "InceptionE", v3_e, window);
  ends_stage();
  classifier("dropout", 0.5, "fc");
}

}  // namespace gadolin
