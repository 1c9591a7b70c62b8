// Boxes and anchors: golden numbers, plain references, gradients, both devices, messages.
#include <gtest/gtest.h>

#include <cmath>

#include "tasks/detection/anchors.h"
#include "tasks/detection/boxes.h"
#include "tensor/ops.h"
#include "tests/distance.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::distance;
using test::message_of;

std::vector<double> row_of(const Tensor& t) { return t.to_vector<double>(); }
void expect_row(const Tensor& got, const std::vector<double>& want, double tolerance) {
  const std::vector<double> g = row_of(got);
  ASSERT_EQ(g.size(), want.size());
  for (std::size_t i = 0; i < g.size(); ++i) EXPECT_NEAR(g[i], want[i], tolerance) << i;
}
std::vector<Device> all_devices() {
  return cuda_available() ? std::vector<Device>{cpu, cuda} : std::vector<Device>{cpu};
}

// Anchor (0, 0, 100, 50), truth (10, 5, 120, 45).
const Tensor golden_anchor = tensor({0, 0, 100, 50}, {1, 4}), golden_truth = tensor({10, 5, 120, 45}, {1, 4});

TEST(DetectionBoxes, HaveTheirGoldenNumbers) {
  expect_row(box_overlap(golden_anchor, golden_truth), {0.620690}, 5e-7);
  expect_row(box_overlap(golden_anchor, golden_truth, true), {0.624853}, 5e-7);
  expect_row(encode_boxes(golden_anchor, golden_truth), {0.5, 0.5, 1.0, -0.5}, 1e-6);
  BoxCoder centre = BoxCoder::legacy();
  expect_row(encode_boxes(golden_anchor, golden_truth, centre), {1.485149, 0, 0.472048, -1.091268}, 1e-6);
  centre.plus_one = false;
  expect_row(encode_boxes(golden_anchor, golden_truth, centre), {1.5, 0, 0.476551, -1.115718}, 1e-6);
}

Tensor many_boxes(std::int64_t n, std::uint64_t stream) {
  const Tensor corner = rand({n, 2}, 5, stream) * 300.0, side = rand({n, 2}, 6, stream) * 90.0 + 1.0;
  return concat({corner, corner + side}, 1);
}

TEST(DetectionBoxes, AreDecodedAsTheyWereEncoded) {
  const Tensor anchors = many_boxes(50, 1), boxes = many_boxes(50, 2);
  BoxCoder plain_centre = BoxCoder::legacy();
  plain_centre.plus_one = false;
  BoxCoder uneven, uneven_centre = plain_centre;
  uneven.deviation = uneven_centre.deviation = {0.1, 0.2, 0.4, 0.8};
  expect_row(encode_boxes(tensor({0, 0, 10, 20}, {1, 4}), tensor({1, 4, 14, 36}, {1, 4}), uneven),
             {1, 1, 1, 1}, 1e-6);
  for (const BoxCoder& coder : {BoxCoder{}, BoxCoder::torchvision(), plain_centre, uneven, uneven_centre}) {
    for (const Device device : all_devices()) {
      const Tensor numbers = encode_boxes(anchors.to(device), boxes.to(device), coder);
      EXPECT_LE(distance(decode_boxes(anchors.to(device), numbers, coder).to(cpu), boxes), 1e-6);
    }
  }
  // Logarithms are limited to log(1000 / 16).
  const Tensor huge =
      decode_boxes(tensor({0, 0, 16, 16}, {1, 4}), tensor({0, 0, 50, 5}, {1, 4}), BoxCoder::torchvision());
  expect_row(huge, {8 - 500, 8 - 500, 8 + 500, 8 + 500}, 1e-3);
}

double overlap_by_hand(const std::vector<double>& a, const std::vector<double>& b, std::size_t i,
                       std::size_t j) {
  const double w = std::min(a[4 * i + 2], b[4 * j + 2]) - std::max(a[4 * i], b[4 * j]),
               h = std::min(a[4 * i + 3], b[4 * j + 3]) - std::max(a[4 * i + 1], b[4 * j + 1]);
  if (w <= 0 || h <= 0) return 0;
  return w * h /
         ((a[4 * i + 2] - a[4 * i]) * (a[4 * i + 3] - a[4 * i + 1]) +
          (b[4 * j + 2] - b[4 * j]) * (b[4 * j + 3] - b[4 * j + 1]) - w * h);
}
TEST(DetectionBoxes, OverlapAsAPlainLoopSays) {
  const Tensor a = many_boxes(37, 3), b = many_boxes(23, 4);
  const std::vector<double> x = row_of(a), y = row_of(b);
  const Tensor here = box_overlap(a, b);
  const std::vector<double> got = row_of(here);
  for (std::size_t i = 0; i < 37; ++i) {
    for (std::size_t j = 0; j < 23; ++j) EXPECT_NEAR(got[23 * i + j], overlap_by_hand(x, y, i, j), 1e-6);
  }
  if (cuda_available()) {
    EXPECT_EQ(row_of(box_overlap(a.to(cuda), b.to(cuda))), got) << "bit for bit";
  }
  // Views; none; nothing; not a number; infinitely large.
  EXPECT_EQ(row_of(box_overlap(a.slice(0, 1, 37, 3), b)), row_of(here.slice(0, 1, 37, 3).contiguous()));
  EXPECT_EQ(box_overlap(a.slice(0, 0, 0), b).shape(), (Shape{0, 23}));
  const Tensor odd = tensor({1, 1, 1, 1, NAN, 0, 1, 1, -INFINITY, -INFINITY, INFINITY, INFINITY}, {3, 4});
  const std::vector<double> odds = row_of(box_overlap(odd, tensor({0, 0, 2, 2, 1, 1, 1, 1}, {2, 4})));
  EXPECT_EQ(odds[0], 0);
  EXPECT_EQ(odds[1], 0) << "two boxes without area";
  EXPECT_TRUE(std::isnan(odds[2]) && std::isnan(odds[3]));
  EXPECT_EQ(odds[4], 0);
}

TEST(DetectionBoxes, DecodingHasAGradient) {
  const Tensor anchors = tensor({0, 0, 2, 3, 1, 1, 4, 2}, {2, 4});
  for (const BoxCoder& coder : {BoxCoder{}, BoxCoder::torchvision(), BoxCoder::legacy()}) {
    for (const Device device : all_devices()) {
      Tensor numbers = (rand({3, 2, 4}, 7, 1) - 0.5).to(device);
      const Tensor weight = rand({3, 2, 4}, 7, 2).to(device);
      numbers.requires_grad_();
      sum(decode_boxes(anchors.to(device), numbers, coder) * weight).backward();
      const std::vector<double> gradient = row_of(numbers.grad());
      const NoGrad guard;
      for (std::int64_t i = 0; i < 24; ++i) {
        double values[2];
        for (const int side : {0, 1}) {
          std::vector<double> moved = row_of(numbers);
          moved[static_cast<std::size_t>(i)] += side == 0 ? -0.01 : 0.01;
          values[side] = sum(decode_boxes(anchors, tensor(moved, {3, 2, 4}), coder) * weight.to(cpu)).item();
        }
        EXPECT_NEAR(gradient[static_cast<std::size_t>(i)], (values[1] - values[0]) / 0.02, 2e-3);
      }
    }
  }
}

TEST(DetectionBoxes, RefuseWhatIsNoBox) {
  const Tensor four = zeros({2, 4});
  EXPECT_EQ(message_of<ShapeError>([&] { box_overlap(four, zeros({4})); }),
            "box_overlap: boxes [4] are not [A, 4]");
  EXPECT_EQ(message_of<DTypeError>([&] { box_overlap(four.to(DType::bf16), four); }),
            "box_overlap: boxes are bf16, not fp32; convert with .to(DType::fp32)");
  if (cuda_available()) {
    EXPECT_EQ(message_of<DeviceError>([&] { box_overlap(four, four.to(cuda)); }),
              "box_overlap: boxes are on cuda:0, the others on cpu; move one with .to(...)");
  }
  EXPECT_EQ(message_of<ShapeError>([&] {
              encode_boxes(four, zeros({3, 4}));
            }),
            "encode_boxes: boxes [3, 4] are not one for each of the anchors [2, 4]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              decode_boxes(four, zeros({2, 3, 4}));
            }),
            "decode_boxes: numbers [2, 3, 4] are not four for each of the anchors [2, 4]");
}

// --- anchors -----------------------------------------------------------------------------------------------

TEST(DetectionAnchors, HaveTheirGoldenNumbers) {
  const double want[][2] = {{22.6274, 11.3137}, {28.5088, 14.2544}, {35.9188, 17.9594},
                            {16, 16},           {20.1587, 20.1587}, {25.3984, 25.3984},
                            {11.3137, 22.6274}, {14.2544, 28.5088}, {17.9594, 35.9188}};
  const auto cell = anchors_at_origin({}, 0);
  ASSERT_EQ(cell.size(), 9u);
  for (std::size_t i = 0; i < 9; ++i) {
    const double corners[] = {-want[i][0], -want[i][1], want[i][0], want[i][1]};
    for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(cell[i][c], corners[c], 5e-5) << i << " " << c;
  }
  Anchors anchors;
  const std::vector<Pair> grids{{100, 167}, {50, 84}, {25, 42}, {13, 21}, {7, 11}};
  EXPECT_EQ(anchors.of(grids, {800, 1333}, cpu).shape(), (Shape{200700, 4}));
  EXPECT_EQ(anchors.of({{75, 128}, {38, 64}, {19, 32}, {10, 16}, {5, 8}}, {600, 1024}, cpu).size(0), 115560);
  EXPECT_EQ(anchors.counts(grids), (std::vector<std::int64_t>{150300, 37800, 9450, 2457, 693}));
  EXPECT_TRUE(anchors.of(grids, {800, 1333}, cpu).same_as(anchors.of(grids, {800, 1333}, cpu))) << "kept";
}

TEST(DetectionAnchors, StandInRowsAroundTheMiddleOfTheirPlace) {
  Anchors anchors({.sizes = {4}, .strides = {8}, .ratios = {1}, .scales = {1, 2}});
  expect_row(anchors.of({{2, 1}}, {16, 8}, cpu), {2, 2, 6, 6, 0, 0, 8, 8, 2, 10, 6, 14, 0, 8, 8, 16}, 0);
  // torchvision: sizes cut to whole numbers, corners rounded, the upper left corner, strides from the sizes.
  Anchors theirs({.sizes = {5}, .strides = {8}, .ratios = {1}, .scales = {1.5}, .torchvision = true});
  expect_row(theirs.of({{1, 2}}, {9, 15}, cpu), {-4, -4, 4, 4, 3, -4, 11, 4}, 0);
}

TEST(DetectionAnchors, RefuseWhatIsNoSize) {
  EXPECT_EQ(message_of<UsageError>([] { Anchors({.sizes = {32}}); }),
            "anchors: 1 sizes and 5 strides; give one of each for every level");
  EXPECT_EQ(message_of<UsageError>([] { Anchors({.ratios = {}}); }),
            "anchors: sizes, strides, ratios and scales must not be empty");
  for (const double wrong : {0.0, -1.0, static_cast<double>(NAN)}) {
    EXPECT_EQ(message_of<UsageError>([&] { Anchors({.scales = {wrong}}); }).find("anchors: "), 0u);
  }
  EXPECT_EQ(message_of<UsageError>([] { Anchors({.scales = {0}}); }),
            "anchors: 0 is not a size, stride, ratio or scale; give numbers above 0");
  EXPECT_EQ(message_of<ShapeError>([] {
              Anchors().of({{1, 1}}, {8, 8}, cpu);
            }),
            "anchors: 5 levels, but the net has 1 maps");
}

}  // namespace
}  // namespace gadolin
