// Pooling and resampling: PyTorch's numbers, specs, ties, NaN, messages.
#include <algorithm>
#include <cmath>

#include "layers/pool.h"
#include "layers/upsample.h"
#include "tests/layers/numbers.h"
#include "tests/op_spec.h"

namespace gadolin {
namespace {

using nlohmann::json;

Tensor run_stored(const std::string& op, const json& o, const Tensor& x) {
  if (op == "max_pool2d" || op == "avg_pool2d") {
    PoolOptions options(o["kernel"].get<int>(), o["stride"].get<int>(), o["padding"].get<int>());
    options.ceil_mode = o["ceil_mode"];
    options.count_include_pad = o.value("count_include_pad", true);
    return op == "max_pool2d" ? max_pool2d(x, options) : avg_pool2d(x, options);
  }
  const Pair size{o["size"][0].get<int>(), o["size"][1].get<int>()};
  if (op == "adaptive_avg_pool2d") return adaptive_avg_pool2d(x, size);
  if (op == "upsample_nearest") return upsample(x, size);
  EXPECT_EQ(op, "upsample_bilinear");
  return upsample(x, size, {Interpolation::bilinear, o["align_corners"].get<bool>()});
}

TEST(Pooling, AgreesWithPyTorch) {
  const json file = stored_numbers("pooling.json");
  int compared = 0;
  for (const json& c : file["cases"]) {
    const std::string op = c["op"], name = op + " " + c["options"].dump() + " " + c["input"]["shape"].dump();
    Tensor x = stored_tensor(c["input"]).requires_grad_();
    const Tensor y = run_stored(op, c["options"], x);
    ASSERT_EQ(y.shape(), Shape(c["output"]["shape"].get<std::vector<std::int64_t>>())) << name;
    expect_close(y.detach(), c["output"]["values"].get<std::vector<double>>(), 1e-14, name);
    y.backward(tensor(c["cotangent"].get<std::vector<double>>(), y.shape(), DType::fp64));
    expect_close(x.grad(), c["grad"].get<std::vector<double>>(), 1e-14, name + " gradient");
    ++compared;
  }
  EXPECT_GE(compared, 50);
}

TEST(MaxPool2d, GivesTiesToTheFirst) {
  Tensor x = ones({1, 1, 2, 3}).requires_grad_();
  max_pool2d(x, {Pair{2, 3}}).backward(ones({1, 1, 1, 1}));
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{1, 0, 0, 0, 0, 0}));
}
TEST(MaxPool2d, LetsNaNWin) {
  const Tensor y = max_pool2d(tensor({1, NAN, 3, 4, 5, 6, 7, 8}, {1, 1, 2, 4}), {2});
  EXPECT_TRUE(std::isnan(y.to_vector<double>()[0]));
  EXPECT_EQ(y.to_vector<double>()[1], 8);
}
TEST(MaxPool2d, TakesNumbersBelowZeroOverPadding) {
  const Tensor y = max_pool2d(tensor({-3, -2, -5, -4}, {1, 1, 2, 2}), {2, 2, 1});
  EXPECT_EQ(y.to_vector<double>(), (std::vector<double>{-3, -2, -5, -4}));
}

// TensorFlow's SAME of 1 2 3 4 / 5 6 7 8 with windows of 3 and stride 2: one row and column more, below and
// to the right only.
TEST(Pooling, SameLeavesPaddingOut) {
  const Tensor x = tensor({1, 2, 3, 4, 5, 6, 7, 8}, {1, 1, 2, 4}, DType::fp64);
  PoolOptions same(3, 2);
  same.same = true;
  EXPECT_EQ(max_pool2d(x, same).to_vector<double>(), (std::vector<double>{7, 8}));
  EXPECT_EQ(avg_pool2d(x, same).to_vector<double>(), (std::vector<double>{4, 5.5}));
  Tensor leaf = x.clone().requires_grad_();
  avg_pool2d(leaf, same).backward(ones({1, 1, 1, 2}, DType::fp64));
  const double whole = 1.0 / 6, part = 1.0 / 4;
  const std::vector<double> row{whole, whole, whole + part, part};
  const std::vector<double> got = leaf.grad().to_vector<double>();
  for (std::size_t i = 0; i < 8; ++i) EXPECT_DOUBLE_EQ(got[i], row[i % 4]);
}

// --- specs -------------------------------------------------------------------------------------------------

// Mean or largest of windows without padding.
Reference windows(int kernel, int stride, bool largest) {
  return [=](const Inputs& in) {
    const std::int64_t p = (in[0].size(2) - kernel) / stride + 1, q = (in[0].size(3) - kernel) / stride + 1;
    return tabulate({in[0].size(0), in[0].size(1), p, q}, [&](const Index& i) {
      double most = -INFINITY, total = 0;
      for (int r = 0; r < kernel; ++r) {
        for (int s = 0; s < kernel; ++s) {
          const double v = at(in[0], {i[0], i[1], i[2] * stride + r, i[3] * stride + s});
          most = std::max(most, v);
          total += v;
        }
      }
      return largest ? most : total / (kernel * kernel);
    });
  };
}
const Tensor& image(const Inputs& in) { return in[0]; }

OpCase pool_case(const std::string& what, const Shape& x, Call f, Reference reference = {}) {
  OpCase c{.what = what, .inputs = {shaped(x).distinct()}};
  c.f = std::move(f);
  c.reference = std::move(reference);
  return c;
}

const bool max_added = add_spec({
    .name = "max_pool2d",
    .f = [](const Inputs& in) { return max_pool2d(image(in), {2}); },
    .cases =
        [] {
          std::vector<OpCase> cases = {
              pool_case(
                  "2x2", {2, 3, 4, 6}, [](const Inputs& in) { return max_pool2d(image(in), {2}); },
                  windows(2, 2, true)),
              pool_case(
                  "3x3 overlapping", {2, 2, 5, 7},
                  [](const Inputs& in) {
                    return max_pool2d(image(in), {3, 2});
                  },
                  windows(3, 2, true)),
              pool_case("3x3 with padding", {2, 8, 5, 6}, [](const Inputs& in) {
                return max_pool2d(image(in), {3, 2, 1});
              })};
          for (OpCase& c : cases) c.expanded = false;  // ties
          return cases;
        }(),
    .errors = {{.inputs = {shaped({3, 8, 8})}, .message = "max_pool2d: input [3, 8, 8] is not [N, C, H, W]"},
               {.inputs = {shaped({1, 3, 0, 8})}, .message = "max_pool2d: input [1, 3, 0, 8] has no pixels"},
               {.inputs = {shaped({1, 3, 1, 8})},
                .message = "max_pool2d: kernel 2 is larger than the padded input of 1"},
               {.inputs = {shaped({1, 3, 1, 8})},
                .message = "max_pool2d: kernel 9 is larger than the padded input of 1",
                .f =
                    [](const Inputs& in) {
                      PoolOptions hanging({9, 2}, 2);  // no window would start inside and reach the end
                      hanging.ceil_mode = true;
                      return max_pool2d(image(in), hanging);
                    }},
               {.inputs = {shaped({1, 3, 8, 8}, DType::int64)},
                .message = "max_pool2d: int64 is not supported; convert with .to(DType::fp32)"},
               {.inputs = {shaped({1, 1, 20, 20})},
                .message = "max_pool2d: kernel 17 x 17 has more than 256 places; pool in two steps",
                .f = [](const Inputs& in) { return max_pool2d(image(in), {17}); }},
               {.inputs = {shaped({1, 1, 8, 8})},
                .message =
                    "max_pool2d: kernel 2, stride 2, padding 2; padding may be at most half the kernel",
                .f =
                    [](const Inputs& in) {
                      return max_pool2d(image(in), {2, 2, 2});
                    }}},
});
const bool avg_added = add_spec({
    .name = "avg_pool2d",
    .f = [](const Inputs& in) { return avg_pool2d(image(in), {2}); },
    .cases = {pool_case(
                  "2x2", {2, 3, 4, 6}, [](const Inputs& in) { return avg_pool2d(image(in), {2}); },
                  windows(2, 2, false)),
              pool_case(
                  "3x3 overlapping", {2, 2, 5, 7},
                  [](const Inputs& in) {
                    return avg_pool2d(image(in), {3, 2});
                  },
                  windows(3, 2, false)),
              pool_case("3x3 with padding", {2, 8, 5, 6},
                        [](const Inputs& in) {
                          return avg_pool2d(image(in), {3, 2, 1});
                        })},
    .errors = {{.inputs = {shaped({1, 3, 1, 8})},
                .message = "avg_pool2d: kernel 2 is larger than the padded input of 1"},
               {.inputs = {shaped({3, 8, 8})}, .message = "avg_pool2d: input [3, 8, 8] is not [N, C, H, W]"},
               {.inputs = {shaped({1, 3, 8, 0})}, .message = "avg_pool2d: input [1, 3, 8, 0] has no pixels"},
               {.inputs = {shaped({1, 1, 8, 8})},
                .message =
                    "avg_pool2d: kernel 3, stride 0, padding 0; padding may be at most half the kernel",
                .f =
                    [](const Inputs& in) {
                      return avg_pool2d(image(in), {3, 0});
                    }}},
});

Reference mean_of_windows(std::int64_t p, std::int64_t q) {
  return [=](const Inputs& in) {
    return tabulate({in[0].size(0), in[0].size(1), p, q}, [&](const Index& i) {
      const std::int64_t h = in[0].size(2), w = in[0].size(3);
      double total = 0, count = 0;
      for (std::int64_t r = i[2] * h / p; r < ((i[2] + 1) * h + p - 1) / p; ++r) {
        for (std::int64_t s = i[3] * w / q; s < ((i[3] + 1) * w + q - 1) / q; ++s, ++count)
          total += at(in[0], {i[0], i[1], r, s});
      }
      return total / count;
    });
  };
}
const bool adaptive_added = add_spec({
    .name = "adaptive_avg_pool2d",
    .f =
        [](const Inputs& in) {
          return adaptive_avg_pool2d(image(in), {3, 2});
        },
    .reference = mean_of_windows(3, 2),
    .cases = {{.inputs = {shaped({2, 3, 7, 5})}},
              {.what = "more windows than pixels", .inputs = {shaped({2, 2, 2, 1})}}},
    .errors = {{.inputs = {shaped({3, 8, 8})},
                .message = "adaptive_avg_pool2d: input [3, 8, 8] is not [N, C, H, W]"},
               {.inputs = {shaped({1, 3, 8, 8})},
                .message = "adaptive_avg_pool2d: output 0 x 2 must be positive",
                .f =
                    [](const Inputs& in) {
                      return adaptive_avg_pool2d(image(in), {0, 2});
                    }}},
});
const bool global_added = add_spec({
    .name = "global_avg_pool2d",
    .f = [](const Inputs& in) { return global_avg_pool2d(image(in)); },
    .reference = mean_of_windows(1, 1),
    .cases = {{.inputs = {shaped({2, 5, 4, 3})}}, {.what = "one pixel", .inputs = {shaped({3, 4, 1, 1})}}},
    .errors = {{.inputs = {shaped({3, 8, 8})},
                .message = "global_avg_pool2d: input [3, 8, 8] is not [N, C, H, W]"}},
    .twice = true,
});

// Bilinear by its definition: the tent around the place that is read, renormalised at the edge.
Reference blended(std::int64_t p, std::int64_t q, bool align) {
  return [=](const Inputs& in) {
    const auto place = [align](std::int64_t i, std::int64_t from, std::int64_t to) {
      const double x =
          align ? (to == 1 ? 0.0 : static_cast<double>(i * (from - 1)) / static_cast<double>(to - 1))
                : (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
      return std::clamp(x, 0.0, static_cast<double>(from - 1));
    };
    return tabulate({in[0].size(0), in[0].size(1), p, q}, [&](const Index& i) {
      const double h = place(i[2], in[0].size(2), p), w = place(i[3], in[0].size(3), q);
      double y = 0;
      for (std::int64_t r = 0; r < in[0].size(2); ++r) {
        for (std::int64_t s = 0; s < in[0].size(3); ++s) {
          const double tall = std::max(0.0, 1 - std::abs(h - static_cast<double>(r)));
          const double wide = std::max(0.0, 1 - std::abs(w - static_cast<double>(s)));
          y += tall * wide * at(in[0], {i[0], i[1], r, s});
        }
      }
      return y;
    });
  };
}
OpCase bilinear(const std::string& what, const Shape& x, Pair size, bool align) {
  return pool_case(
      what, x,
      [=](const Inputs& in) {
        return upsample(image(in), size, {Interpolation::bilinear, align});
      },
      blended(size.h, size.w, align));
}
const bool upsample_added = add_spec({
    .name = "upsample",
    .f =
        [](const Inputs& in) {
          return upsample(image(in), {6, 8});
        },
    .cases = {pool_case(
                  "nearest, twice", {2, 3, 3, 4},
                  [](const Inputs& in) {
                    return upsample(image(in), {6, 8});
                  },
                  [](const Inputs& in) {
                    return tabulate({in[0].size(0), 3, 6, 8}, [&](const Index& i) {
                      return at(in[0], {i[0], i[1], i[2] / 2, i[3] / 2});
                    });
                  }),
              pool_case(
                  "nearest, odd sizes", {2, 2, 4, 7},
                  [](const Inputs& in) {
                    return upsample(image(in), {7, 3});
                  },
                  [](const Inputs& in) {
                    return tabulate({in[0].size(0), 2, 7, 3}, [&](const Index& i) {
                      return at(in[0], {i[0], i[1], i[2] * 4 / 7, i[3] * 7 / 3});
                    });
                  }),
              bilinear("bilinear, twice", {2, 3, 3, 4}, {6, 8}, false),
              bilinear("corners aligned, twice", {2, 3, 3, 4}, {6, 8}, true),
              bilinear("bilinear, odd sizes", {2, 2, 5, 3}, {3, 7}, false),
              bilinear("corners aligned, odd sizes", {2, 2, 5, 3}, {3, 7}, true),
              bilinear("bilinear, from one pixel", {2, 2, 1, 1}, {3, 2}, false),
              bilinear("corners aligned, to one pixel", {2, 2, 3, 4}, {1, 1}, true),
              bilinear("bilinear, far smaller", {1, 1, 11, 9}, {2, 3}, false)},
    .errors = {{.inputs = {shaped({3, 8, 8})}, .message = "upsample: input [3, 8, 8] is not [N, C, H, W]"},
               {.inputs = {shaped({1, 3, 0, 8})}, .message = "upsample: input [1, 3, 0, 8] has no pixels"},
               {.inputs = {shaped({1, 3, 4, 4})},
                .message = "upsample: output 0 x 8 must be positive",
                .f =
                    [](const Inputs& in) {
                      return upsample(image(in), {0, 8});
                    }}},
});

TEST(UpsampleModule, MultipliesSizes) {
  Upsample twice({2, 3});
  EXPECT_EQ(twice(ones({1, 2, 4, 5})).shape(), (Shape{1, 2, 8, 15}));
  try {
    twice(ones({2, 4, 5}));
    FAIL() << "accepted";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "upsample: input [2, 4, 5] is not [N, C, H, W]");
  }
}

}  // namespace
}  // namespace gadolin
