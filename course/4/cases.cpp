// Tasks, cases and questions of assignment 4. A third of a task's cases looks at values, a third at awkward
// sizes, and a third at counts; a finding of the device fails any of them.
#include <algorithm>
#include <cmath>

#include "course/grader/assignment.h"

namespace gadolin::course {
namespace {

Case kernel_case(const char* op, int number) {
  Case c;
  c.request = {{"op", std::string(op)}, {"counts", std::int64_t{number % 3 == 2}}};
  c.limit = {1e-4, 0, 1};
  return c;
}
std::string counted_or(int number, const std::string& what) {
  return number % 3 == 2 ? what + ", counted" : what;
}

Case draw_map(int number, Draw& draw) {
  Case c = kernel_case("map", number);
  const bool flat = number % 2 == 0 || number % 3 == 2;
  c.what = counted_or(number, flat ? "dense" : "a transposed view and a repeated one");
  c.request["flat"] = std::int64_t{flat};
  c.request["a"] = draw.uniform(-2, 2);
  // More than two blocks of 64 threads take in one round; whole packs in some cases, not in others.
  const std::int64_t n =
      number % 4 < 2 ? 4 * draw.integer(160, 260) : 4 * draw.integer(160, 260) + draw.integer(1, 3);
  const std::vector<std::int64_t> shape =
      flat ? std::vector<std::int64_t>{n}
           : std::vector<std::int64_t>{draw.integer(15, 21), draw.integer(13, 19)};
  c.request["x"] = draw.array(shape);
  c.request["y"] = draw.array(flat ? shape : std::vector<std::int64_t>{shape[1], draw.integer(2, 4)});
  if (!flat) c.traits = {"the tensors are views"};
  if (flat && n % 4 != 0) c.traits = {"the size is no multiple of a pack"};
  return c;
}

Case draw_sum(int number, Draw& draw) {
  Case c = kernel_case("sum", number);
  const std::int64_t pieces = number % 2 == 0 ? 1 : draw.integer(2, 5);
  const std::int64_t rows = number % 3 == 1 ? draw.integer(1, 3) : draw.integer(6, 20);
  const std::int64_t sizes[] = {draw.integer(3, 30), 31 + draw.integer(0, 2), 255 + draw.integer(0, 2)};
  c.what = counted_or(number, pieces == 1 ? "rows in one piece" : "rows in several pieces");
  c.request["x"] = draw.array({rows, number % 3 == 1 ? sizes[2] : sizes[draw.integer(0, 1)]});
  c.request["pieces"] = pieces;
  if (pieces > 1) c.traits = {"a row is cut into pieces"};
  return c;
}

Case draw_softmax(int number, Draw& draw) {
  Case c = kernel_case("softmax", number);
  const bool inner = number % 2 == 1 && number % 3 != 2, back = number / 2 % 3 == 1;
  const std::vector<std::int64_t> shape =
      inner ? std::vector<std::int64_t>{draw.integer(2, 3), draw.integer(5, 12), draw.integer(9, 20)}
            : std::vector<std::int64_t>{draw.integer(5, 12), number % 3 == 1 ? 33
                                                             : number % 3 == 2
                                                                 ? draw.integer(65, 96)  // three a lane
                                                                 : draw.integer(9, 80)};
  Array x = draw.array(shape, -3, 3);
  const bool large = !back && number % 3 != 1;
  if (large)
    for (double& v : x.numbers) v = 100 + 20 * v;
  c.what = counted_or(number, std::string(inner ? "an inner dimension" : "rows") + (back    ? ", backward"
                                                                                    : large ? ", large logits"
                                                                                            : ""));
  c.request["x"] = x;
  c.request["dim"] = std::int64_t{1};
  if (back) c.request["dy"] = draw.array(shape);
  if (inner) c.traits.push_back("the dimension is not the last one");
  if (large) c.traits.push_back("logits are large");
  if (back) c.traits.push_back("it is the gradient");
  return c;
}

Case draw_product(int number, Draw& draw) {
  Case c = kernel_case("product", number);
  const std::int64_t m = number % 3 == 1 ? draw.integer(1, 15) : draw.integer(17, 40),
                     n = draw.integer(17, 40), k = draw.integer(20, 50);
  c.what = counted_or(number, m < 16 ? "less than a tile" : "sizes that tiles do not divide");
  c.request["a"] = draw.array({m, k});
  c.request["b"] = draw.array({k, n});
  return c;
}

Case draw_norm(int number, Draw& draw) {
  Case c = kernel_case("norm", number);
  const bool large = number % 2 == 1, addend = number % 4 < 2;
  const std::int64_t channels = number % 3 == 1 ? draw.integer(3, 7) : 4 * draw.integer(1, 4);
  const std::vector<std::int64_t> shape{draw.integer(90, 140), channels};
  const double mean = large ? 1000 : 0.5, deviation = large ? 0.25 : 1;
  c.what = counted_or(number, std::string(large ? "mean 1,000" : "small mean") + (addend ? ", addend" : ""));
  c.request["x"] = draw.array(shape, mean - 2 * deviation, mean + 2 * deviation);
  c.request["weight"] = draw.array({channels}, 0.5, 1.5);
  c.request["bias"] = draw.array({channels});
  c.request["mean"] = draw.array({channels});
  c.request["variance"] = draw.array({channels}, 0.5, 2);
  if (addend) c.request["addend"] = draw.array(shape);
  c.limit = {3e-3, 0, 1};
  if (large) c.traits = {"the mean is large beside the deviation"};
  return c;
}

// Numbers within the limit, counts at most 1.25 times those of the framework's own kernel.
std::string compare_kernel(const Case& c, const Values& got, const Values& want) {
  if (got.contains("error")) return text(got, "error");
  if (got.contains("finding")) return "the device reports: " + text(got, "finding");
  for (const auto& [name, value] : want) {
    const auto found = got.find(name);
    if (found == got.end()) return name + " is missing";
    if (const auto* count = std::get_if<std::int64_t>(&value)) {
      const auto* mine = std::get_if<std::int64_t>(&found->second);
      if (!mine) return name + " is no count";
      if (static_cast<double>(*mine) > 1.25 * static_cast<double>(*count))
        return name.substr(6) + ": " + std::to_string(*mine) + ", the framework's kernel takes " +
               std::to_string(*count);
      continue;
    }
    const auto *a = std::get_if<Array>(&found->second), *b = std::get_if<Array>(&value);
    if (!a || !b || a->shape != b->shape || a->numbers.size() != b->numbers.size())
      return name + " has another shape";
    for (std::size_t i = 0; i < b->numbers.size(); ++i) {
      const double x = a->numbers[i], y = b->numbers[i];
      if (std::isnan(y)
              ? std::isnan(x)
              : x == y || std::abs(x - y) <= c.limit.relative * std::max(std::abs(y), c.limit.floor))
        continue;
      return name + "[" + std::to_string(i) + "]: got " + to_string(x) + ", wanted " + to_string(y);
    }
  }
  return "";
}

std::vector<Question> questions_4(Draw& draw, bool handout) {
  const std::int64_t n = handout ? 1'000'003 : 1000 * draw.integer(500, 2000) + draw.integer(1, 99),
                     block = handout ? 256 : 64 << draw.integer(1, 3), blocks = (n + block - 1) / block,
                     size = handout ? 1024 : 256 * draw.integer(2, 6),
                     tile = handout ? 32 : 16 << draw.integer(0, 1);
  const auto d = [](std::int64_t v) { return static_cast<double>(v); };
  const std::int64_t bandwidth = handout ? 4 : draw.integer(2, 6),
                     rate = handout ? 60 : 10 * draw.integer(3, 9);
  const auto said = [](std::int64_t v) { return std::to_string(v); };
  return {
      {"q1",
       said(n) + " elements, one a thread, blocks of " + said(block) + ": blocks, and threads without work.",
       {d(blocks), d(blocks * block - n)},
       true,
       {{{d(n / block), d(n % block)}, "The last block is not full, but it is needed: round up."}}},
      {"q2",
       "A product of size " + said(size) + ": global loads with tiles of " + said(tile) + ", and without.",
       {d(2 * size * size * size / tile), d(2 * size * size * size)},
       true,
       {{{d(size * size * size / tile), d(size * size * size)}, "Both operands are loaded: twice as many."}}},
      {"q3",
       "Sectors a warp touches when lane l reads float l s, for s = 1, 2, 8; then the bank ways of a column "
       "of [32][32] and of [32][33] floats.",
       {4, 8, 32, 32, 1},
       true,
       {}},
      {"q4",
       "A GPU with " + said(bandwidth) + " TB/s and " + said(rate) +
           " TFLOP/s: the ridge in flop a byte, and the most TFLOP/s of a x + y in fp32.",
       {d(rate) / d(bandwidth), d(bandwidth) * 2 / 12},
       false,
       {{{d(rate) / d(bandwidth), d(bandwidth) * 2 / 8},
         "Three numbers move for each element: x and y are read, the result is written."}}}};
}

}  // namespace

Assignment assignment_4() {
  Assignment a;
  a.number = 4;
  a.title = "CUDA kernels on a device made of software";
  const auto task = [&](const char* id, const char* title, double points, Case (*f)(int, Draw&)) {
    a.tasks.push_back({.id = id,
                       .title = title,
                       .points = points,
                       .cut = id,
                       .publics = 6,
                       .hiddens = 12,
                       .draw = f,
                       .compare = compare_kernel});
    a.tasks.back().limits.memory = std::int64_t{2} << 30;
  };
  task("4.1", "elementwise kernels", 12, draw_map);
  task("4.2", "sums of rows", 16, draw_sum);
  task("4.3", "softmax", 18, draw_softmax);
  task("4.4", "a tiled product", 18, draw_product);
  task("4.5", "a fused batch norm", 16, draw_norm);
  a.tasks.push_back(
      {.id = "4.6",
       .title = "all kernels together",
       .points = 8,
       .cut = "*",
       .publics = 5,
       .hiddens = 5,
       .draw =
           [](int number, Draw& draw) {
             Case (*const all[])(int, Draw&) = {draw_map, draw_sum, draw_softmax, draw_product, draw_norm};
             return all[number % 5](number / 5 * 3, draw);
           },
       .compare = compare_kernel});
  a.tasks.back().limits.memory = std::int64_t{2} << 30;
  a.questions = questions_4;
  return a;
}

}  // namespace gadolin::course
