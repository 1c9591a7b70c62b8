#include "nets/inception.h"

namespace gadolin {
namespace {

using detail::around;
using detail::halves;
using detail::high;
using detail::neighbours;
using detail::wide;

// Figures 3 to 8.
void v4_mixed_3a(Branches& b) {
  b.max_pool({3, 2});
  b.branch({{"conv", 96, 3, halves}});
}
void v4_mixed_4a(Branches& b) {
  b.branch({{"branch0.0", 64, 1}, {"branch0.1", 96, 3}});
  b.branch({{"branch1.0", 64, 1}, wide("branch1.1", 64, 7), high("branch1.2", 64, 7), {"branch1.3", 96, 3}});
}
void v4_mixed_5a(Branches& b) {
  b.branch({{"conv", 192, 3, halves}});
  b.max_pool({3, 2});
}
void v4_a(Branches& b) {
  b.branch({{"branch0", 96, 1}});
  b.branch({{"branch1.0", 64, 1}, {"branch1.1", 96, 3, around}});
  b.branch({{"branch2.0", 64, 1}, {"branch2.1", 96, 3, around}, {"branch2.2", 96, 3, around}});
  b.average_pool(neighbours(), {"branch3.1", 96, 1});
}
void v4_reduction_a(Branches& b) {
  b.branch({{"branch0", 384, 3, halves}});
  b.branch({{"branch1.0", 192, 1}, {"branch1.1", 224, 3, around}, {"branch1.2", 256, 3, halves}});
  b.max_pool({3, 2});
}
void v4_b(Branches& b) {
  b.branch({{"branch0", 384, 1}});
  b.branch({{"branch1.0", 192, 1}, wide("branch1.1", 224, 7), high("branch1.2", 256, 7)});
  b.branch({{"branch2.0", 192, 1},
            high("branch2.1", 192, 7),
            wide("branch2.2", 224, 7),
            high("branch2.3", 224, 7),
            wide("branch2.4", 256, 7)});
  b.average_pool(neighbours(), {"branch3.1", 128, 1});
}
void v4_reduction_b(Branches& b) {
  b.branch({{"branch0.0", 192, 1}, {"branch0.1", 192, 3, halves}});
  b.branch({{"branch1.0", 256, 1},
            wide("branch1.1", 256, 7),
            high("branch1.2", 320, 7),
            {"branch1.3", 320, 3, halves}});
  b.max_pool({3, 2});
}
void v4_c(Branches& b) {
  b.branch({{"branch0", 256, 1}});
  b.branch({{"branch1_0", 384, 1}}, {wide("branch1_1a", 256, 3), high("branch1_1b", 256, 3)});
  b.branch({{"branch2_0", 384, 1}, high("branch2_1", 448, 3), wide("branch2_2", 512, 3)},
           {wide("branch2_3a", 256, 3), high("branch2_3b", 256, 3)});
  b.average_pool(neighbours(), {"branch3.1", 256, 1});
}

}  // namespace

InceptionV4::InceptionV4(const InceptionOptions& o) : InceptionNet("InceptionV4", "inception_v4", 75, o) {
  int parts = 0;
  const auto next = [&] { return cat("features.", parts++); };
  conv(next(), 32, 3, halves);
  conv(next(), 32, 3);
  conv(next(), 64, 3, around);
  block(next(), "Mixed3a", v4_mixed_3a);
  block(next(), "Mixed4a", v4_mixed_4a);
  ends_stage();
  block(next(), "Mixed5a", v4_mixed_5a);
  for (int i = 0; i < 4; ++i) block(next(), "InceptionA", v4_a);
  ends_stage();
  block(next(), "ReductionA", v4_reduction_a);
  for (int i = 0; i < 7; ++i) block(next(), "InceptionB", v4_b);
  ends_stage();
  const std::size_t below_head = last_part();
  block(next(), "ReductionB", v4_reduction_b);
  for (int i = 0; i < 3; ++i) block(next(), "InceptionC", v4_c);
  ends_stage();
  auxiliary<InceptionAux>("AuxLogits", below_head);
  classifier("head_drop", 0, "last_linear");
}

}  // namespace gadolin
