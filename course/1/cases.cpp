// Assignment 1: tensors and strides. Generators of cases; what is right is production's answer.
#include <algorithm>

#include "course/1/cases.h"

namespace gadolin::course {
namespace {

void add_shape(Sizes& list, const Sizes& shape) {
  list.push_back(static_cast<std::int64_t>(shape.size()));
  list.insert(list.end(), shape.begin(), shape.end());
}
std::int64_t elements(const Sizes& shape) {
  std::int64_t n = 1;
  for (std::int64_t size : shape) n *= size;
  return n;
}
Sizes drawn_shape(Draw& draw, std::int64_t dim, std::int64_t low, std::int64_t high) {
  Sizes shape;
  for (std::int64_t d = 0; d < dim; ++d) shape.push_back(draw.integer(low, high));
  return shape;
}

// --- 1.1 strides_for, is_contiguous
// --------------------------------------------------------------------------

Case strides_case(int number, Draw& draw) {
  if (number % 3 == 2) {  // several questions a case: of a size 1, of no elements, and of a transposed one
    Sizes pairs;
    Sizes one = drawn_shape(draw, draw.integer(3, 5), 2, 6), strides;
    const auto at = static_cast<std::size_t>(draw.integer(0, static_cast<std::int64_t>(one.size()) - 1));
    one[at] = 1;
    strides = row_major(one);
    strides[at] = draw.integer(1000, 2000);
    add_shape(pairs, one);
    add_shape(pairs, strides);
    Sizes none = drawn_shape(draw, 3, 2, 5);
    none[static_cast<std::size_t>(draw.integer(0, 2))] = 0;
    add_shape(pairs, none);
    add_shape(pairs, drawn_shape(draw, 3, 1, 30));
    const Sizes plain = drawn_shape(draw, 3, 2, 5);
    strides = row_major(plain);
    add_shape(pairs, plain);
    add_shape(pairs, strides);
    std::swap(strides[0], strides[2]);
    add_shape(pairs, plain);
    add_shape(pairs, strides);
    return {"is_contiguous of sizes 0 and 1 and of a transposed tensor",
            {{"op", "contiguous"}, {"pairs", pairs}, {"channels_last", static_cast<std::int64_t>(false)}},
            {},
            {"a size is 1 or 0"}};
  }
  const bool last = number % 3 == 1;
  Sizes shapes;
  for (int i = 0; i < 3; ++i)
    add_shape(shapes, drawn_shape(draw, last ? 4 : draw.integer(3, 8), 2, last ? 9 : 4));
  if (number % 2 == 0) add_shape(shapes, last ? Sizes{1, 3, 5, 2} : Sizes{});
  return {last ? "strides of channels-last images" : "strides in row-major order",
          {{"op", "strides"}, {"shapes", shapes}, {"channels_last", static_cast<std::int64_t>(last)}},
          {},
          {last ? "the order is channels-last" : "the order is row-major"}};
}

// --- 1.2 broadcast, broadcast_strides
// ------------------------------------------------------------------------

// A pair that broadcasts: sizes of 1 on either side, one side shorter.
std::pair<Sizes, Sizes> fitting(Draw& draw, std::int64_t dim) {
  Sizes a = drawn_shape(draw, dim, 2, 5), b = a;
  for (std::size_t d = 0; d < a.size(); ++d) {
    const std::int64_t which = draw.integer(0, 3);
    if (which == 0) a[d] = 1;
    if (which == 1) b[d] = 1;
  }
  b.erase(b.begin(), b.begin() + draw.integer(1, dim - 1));
  if (draw.chance(0.5)) std::swap(a, b);
  return {a, b};
}

Case broadcast_case(int number, Draw& draw) {
  if (number % 3 == 0) {
    Sizes pairs;
    for (int i = 0; i < 3; ++i) {
      const auto [a, b] = fitting(draw, draw.integer(3, 6));
      add_shape(pairs, a);
      add_shape(pairs, b);
    }
    add_shape(pairs, {draw.integer(2, 4), 0});
    add_shape(pairs, {1});
    add_shape(pairs, {1, draw.integer(2, 4)});
    add_shape(pairs, {0, 1});
    return {"shapes of different lengths, a 0 beside a 1",
            {{"op", "broadcast"}, {"pairs", pairs}},
            {},
            {"the shapes have different lengths"}};
  }
  if (number % 3 == 1) {
    Sizes triples;
    for (int i = 0; i < 3; ++i) {
      Sizes to = drawn_shape(draw, draw.integer(3, 5), 2, 5);
      Sizes shape(to.begin() + draw.integer(1, 2), to.end());
      shape[static_cast<std::size_t>(draw.integer(0, static_cast<std::int64_t>(shape.size()) - 1))] = 1;
      Sizes strides = row_major(shape);
      for (std::int64_t& s : strides) s *= 3;
      add_shape(triples, shape);
      add_shape(triples, strides);
      add_shape(triples, to);
    }
    return {
        "strides that repeat", {{"op", "repeated"}, {"triples", triples}}, {}, {"a dimension is repeated"}};
  }
  Sizes a = drawn_shape(draw, 2 * draw.integer(1, 2), 3, 6), b = a, pairs;
  b[static_cast<std::size_t>(draw.integer(0, static_cast<std::int64_t>(b.size()) - 1))] += draw.integer(1, 3);
  b.insert(b.begin(), draw.integer(2, 3));
  if (number % 2 == 0) std::swap(a, b);
  add_shape(pairs, a);
  add_shape(pairs, b);
  return {"the message where shapes do not fit",
          {{"op", "broadcast"}, {"pairs", pairs}},
          {},
          {"shapes do not fit"}};
}

// --- 1.3 permute, expand, slice; 1.4 reshape
// -----------------------------------------------------------------

// Builds a program of views and follows the shape.
struct Program {
  Draw& draw;
  Sizes shape, code;
  void add(std::int64_t what, const Sizes& numbers) {
    code.push_back(what);
    code.push_back(static_cast<std::int64_t>(numbers.size()));
    code.insert(code.end(), numbers.begin(), numbers.end());
  }
  void permute(const Sizes& order) {
    Sizes to;
    for (std::int64_t d : order) to.push_back(shape[static_cast<std::size_t>(d)]);
    shape = to;
    add(0, order);
  }
  void expand(const Sizes& to) {
    shape = to;
    add(1, to);
  }
  void slice(std::size_t d, std::int64_t begin, std::int64_t end, std::int64_t step) {
    add(2, {static_cast<std::int64_t>(d), begin, end, step});
    shape[d] = (end - begin + step - 1) / step;
  }
  // Begins after 0, and its step does not divide its length. Of a dimension of at least 4.
  void uneven_slice(std::size_t d) {
    const std::int64_t step = shape[d] < 5 ? 2 : draw.integer(2, 3), begin = 1;
    const std::int64_t whole = draw.integer(1, (shape[d] - 2) / step);
    slice(d, begin, std::min(shape[d], begin + whole * step + 1), step);
  }
  void circle() {  // no permutation of three or more in a circle is its own inverse
    Sizes order;
    const auto n = static_cast<std::int64_t>(shape.size());
    const std::int64_t by = draw.chance(0.5) ? 1 : n - 1;
    for (std::int64_t d = 0; d < n; ++d) order.push_back((d + by) % n);
    permute(order);
  }
  void reshape(const Sizes& to) {
    shape = to;
    add(3, to);
  }
};

Case views_request(const std::string& what, const Sizes& shape, const Program& p, Draw& draw,
                   std::vector<std::string> traits) {
  Values request{{"op", "views"}, {"x", draw.exact_array(shape)}, {"program", p.code}};
  request["dy"] = draw.exact_array(p.shape);
  return {what, request, {}, std::move(traits)};
}

Case views_case(int number, Draw& draw) {
  if (number % 3 == 0) {
    const Sizes shape{draw.integer(11, 17), draw.integer(9, 13)};
    Program p{draw, shape, {}};
    p.uneven_slice(0);
    p.uneven_slice(1);
    if (p.shape[0] > 1) p.slice(0, 1, p.shape[0], 1);  // a slice of a slice
    return views_request("slices of a slice", shape, p, draw, {"there are slices"});
  }
  if (number % 3 == 1) {
    const Sizes shape = drawn_shape(draw, draw.integer(3, 4), 2, 5);
    Program p{draw, shape, {}};
    p.circle();
    Sizes to = p.shape;
    to.insert(to.begin(), draw.integer(2, 3));
    p.expand(to);
    p.slice(1, 1, p.shape[1], 1);
    return views_request("dimensions in a circle, then repeated", shape, p, draw,
                         {"dimensions go round in a circle"});
  }
  Sizes shape = drawn_shape(draw, 3, 5, 9);
  shape.insert(shape.begin() + draw.integer(0, 3), 1);
  Program p{draw, shape, {}};
  for (int i = 0; i < 5; ++i) {
    const auto d = static_cast<std::size_t>(draw.integer(0, static_cast<std::int64_t>(p.shape.size()) - 1));
    const std::int64_t kind = i == 4 ? 0 : draw.integer(0, 2);
    if (kind == 0) p.circle();
    if (kind == 1 && p.shape[d] >= 4) p.uneven_slice(d);
    if (kind == 2 && elements(p.shape) < 2000) {
      Sizes to = p.shape;
      for (std::int64_t& size : to)
        if (size == 1) size = draw.integer(1, 3);
      p.expand(to);
    }
  }
  return views_request("a program of five views", shape, p, draw, {"several views follow one another"});
}

Case reshape_case(int number, Draw& draw) {
  const std::int64_t a = draw.integer(2, 4), b = draw.integer(2, 4), c = 2 * draw.integer(1, 3),
                     d = draw.integer(2, 4);
  const Sizes shape{a, b, c, d};
  Program p{draw, shape, {}};
  if (number % 3 == 0) {  // dimensions join and split where they lie one within the other
    if (number % 2 == 0) p.slice(0, 1, a, 1);
    p.permute({3, 0, 1, 2});
    p.reshape(number % 2 == 0 ? Sizes{d, (a - 1) * b, 2, c / 2} : Sizes{d, a, b * c});
    return views_request("a reshape that is a view", shape, p, draw, {"no copy is needed"});
  }
  if (number % 3 == 1) {
    p.permute({1, 0, 2, 3});
    p.reshape({a * b, c * d});
    return views_request("a reshape of transposed dimensions", shape, p, draw, {"a copy is needed"});
  }
  if (number % 2 == 0) {  // rows with a gap: sizes of 1 in between change nothing
    p.slice(3, 0, d - 1, 1);
    p.reshape({a * b, 1, c, 1, d - 1});
    p.reshape({a * b * c, d - 1});
    return views_request("a reshape of rows with gaps", shape, p, draw, {"no copy is needed"});
  }
  p.slice(2, 0, c, 2);
  p.reshape({a, b * (c / 2) * d});
  return views_request("a reshape across a step", shape, p, draw, {"a copy is needed"});
}

// --- 1.5 the product
// -----------------------------------------------------------------------------------------

struct Product {
  std::int64_t m, n, k, batch = 1;
  bool a_transposed = false, b_transposed = false;
  std::int64_t a_gap = 0, b_gap = 0;  // elements between rows
  bool repeat_b = false;              // step 0
};

Values product_request(const Product& p, const std::string& dtype, Draw& draw) {
  const std::int64_t a_rows = p.a_transposed ? p.k : p.m, a_cols = p.a_transposed ? p.m : p.k;
  const std::int64_t b_rows = p.b_transposed ? p.n : p.k, b_cols = p.b_transposed ? p.k : p.n;
  const std::int64_t a_ld = a_cols + p.a_gap, b_ld = b_cols + p.b_gap;
  // The last row ends with its last element: what lies behind must not be read.
  const auto extent = [](std::int64_t rows, std::int64_t cols, std::int64_t ld, std::int64_t count) {
    return rows == 0 || cols == 0 ? std::int64_t{0} : (count - 1) * rows * ld + (rows - 1) * ld + cols;
  };
  const std::int64_t a_step = p.batch > 1 ? a_rows * a_ld : 0,
                     b_step = p.batch > 1 && !p.repeat_b ? b_rows * b_ld : 0;
  return {{"op", "product"},
          {"dtype", dtype},
          {"m", p.m},
          {"n", p.n},
          {"k", p.k},
          {"batch", p.batch},
          {"a_transposed", static_cast<std::int64_t>(p.a_transposed)},
          {"b_transposed", static_cast<std::int64_t>(p.b_transposed)},
          {"a_ld", a_ld},
          {"b_ld", b_ld},
          {"a_step", a_step},
          {"b_step", b_step},
          {"a", draw.exact_array({extent(a_rows, a_cols, a_ld, a_step > 0 ? p.batch : 1)})},
          {"b", draw.exact_array({extent(b_rows, b_cols, b_ld, b_step > 0 ? p.batch : 1)})}};
}

constexpr Limit product_limit{1e-5, 0, 1}, half_limit{1.0 / 100, 0, 1};

// Everything but what separates two kinds is in all of them: transposed operands, rows with gaps, one b for
// all.
Case product_case(int number, Draw& draw) {
  Product p{4 * draw.integer(1, 4), 16 * draw.integer(1, 3), draw.integer(5, 60), draw.integer(2, 3)};
  p.a_transposed = number % 4 < 2;
  p.b_transposed = true;
  p.a_gap = draw.integer(1, 5);
  p.b_gap = draw.integer(1, 5);
  p.repeat_b = number % 4 == 1;
  if (number % 2 == 0) {
    p.m += 4 * draw.integer(0, 14) + draw.integer(1, 3);
    p.n += 16 * draw.integer(0, 6) + draw.integer(1, 15);
    const bool half = number % 6 == 4;
    return {"m is no multiple of 4, n none of 16",
            product_request(p, half ? "bf16" : "fp32", draw),
            half ? half_limit : product_limit,
            {"m is no multiple of 4 or n none of 16"}};
  }
  p.k = draw.integer(257, 700);
  return {"k above 256",
          product_request(p, number % 6 == 5 ? "fp64" : "fp32", draw),
          product_limit,
          {"k is above 256"}};
}

Case reads_case(int number, Draw& draw) {
  Product p{192, 320, 300};
  if (number > 0) {
    p.m = 64 * draw.integer(2, 3);
    p.n = 64 * draw.integer(4, 6);
    p.k = 10 * draw.integer(20, 30);
  }
  Values request = product_request(p, "fp32", draw);
  request["op"] = std::string("reads");
  return {"reads of the operands", request, product_limit, {}};
}

std::string few_reads(const Case& the_case, const Values& got, const Values& want) {
  Values sums = want;
  sums.erase("reads");
  const std::string wrong = difference(the_case, got, sums);
  if (!wrong.empty()) return wrong;
  const Values& r = the_case.request;
  const std::int64_t naive = 2 * integer(r, "m") * integer(r, "n") * integer(r, "k"),
                     reads = integer(got, "reads");
  if (reads <= naive / 24 && reads >= integer(want, "reads") / 4) return "";
  return "the operands were read " + std::to_string(reads) + " times, at most " + std::to_string(naive / 24) +
         " (2mnk / 24) are allowed";
}
// -----------------------------------------------------------------------------

Case demo_case(int number, Draw& draw) {
  return {"three planes of a volume, nothing copied",
          {{"op", "demo"}, {"lesion", number == 0 ? std::int64_t{28} : draw.integer(20, 32)}},
          {},
          {}};
}

}  // namespace

Assignment assignment_1() {
  Assignment a;
  a.number = 1;
  a.title = "Tensors and strides";
  a.tasks = {
      {.id = "1.1",
       .title = "strides_for, is_contiguous",
       .points = 12,
       .cut = "1.1",
       .publics = 12,
       .hiddens = 12,
       .draw = strides_case},
      {.id = "1.2",
       .title = "broadcast, broadcast_strides",
       .points = 18,
       .cut = "1.2",
       .publics = 12,
       .hiddens = 12,
       .draw = broadcast_case},
      {.id = "1.3",
       .title = "permute, expand, slice",
       .points = 18,
       .cut = "1.3",
       .publics = 12,
       .hiddens = 24,
       .draw = views_case},
      {.id = "1.4",
       .title = "view_strides",
       .points = 14,
       .cut = "1.4",
       .publics = 12,
       .hiddens = 12,
       .draw = reshape_case},
      {.id = "1.5 values",
       .title = "the product's numbers",
       .points = 12,
       .cut = "1.5",
       .publics = 12,
       .hiddens = 12,
       .draw = product_case},
      {.id = "1.5 reads",
       .title = "how often operands are read",
       .points = 6,
       .cut = "1.5",
       .publics = 1,
       .hiddens = 2,
       .draw = reads_case,
       .compare = few_reads},
      {.id = "demo",
       .title = "three planes of a volume",
       .points = 8,
       .cut = "*",
       .publics = 1,
       .hiddens = 1,
       .draw = demo_case},
  };
  a.questions = strides_questions;
  return a;
}

}  // namespace gadolin::course
