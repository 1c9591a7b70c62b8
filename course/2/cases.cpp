// Assignment 2: the tape. Generators of cases; what is right is production's answer.
#include "course/2/cases.h"

#include <algorithm>

#include "course/2/own_ops.h"

namespace gadolin::course {
namespace {

using Numbers = std::vector<std::int64_t>;

constexpr Limit tape_limit{1e-9, 1e-12, 1};

// A program of square matrices. Kinds of ops are those of run_program in answer.cpp.
struct TapeProgram {
  Draw& draw;
  std::int64_t leaves, size;
  Numbers code;
  std::int64_t count() const { return leaves + static_cast<std::int64_t>(code.size()) / 3; }
  void add(std::int64_t op, std::int64_t a, std::int64_t b) { code.insert(code.end(), {op, a, b}); }
  void add(std::int64_t op) {
    add(op, draw.integer(0, count() - 1), draw.integer(std::max<std::int64_t>(0, count() - 4), count() - 1));
  }
  // Used by two, one of which is used again before both meet: a node that is run too early runs twice.
  void diamond() {
    const std::int64_t top = count() - 1;
    add(3, top, top);
    add(4, top, top);
    add(1, count() - 1, count() - 2);
    add(1, count() - 1, count() - 1);
    add(0, count() - 1, top);
    add(0, count() - 1, 0);
  }
  Values request(const std::string& op) const {
    Values values{{"op", op}, {"leaves", leaves}, {"code", code}};
    for (std::int64_t i = 0; i < leaves; ++i)
      values["x" + std::to_string(i)] = draw.array({size, size}, -1, 1);
    return values;
  }
};

TapeProgram drawn_program(Draw& draw, std::int64_t ops, bool islands) {
  TapeProgram p{draw, draw.integer(2, 3), 3, {}};
  p.diamond();
  while (static_cast<std::int64_t>(p.code.size()) / 3 < ops) {
    const std::int64_t op = draw.integer(0, islands ? 9 : 8);
    p.add(op);
    if (draw.chance(0.1)) p.diamond();
  }
  p.add(0, p.count() - 1, p.leaves + 5);  // joins what went on with the first diamond
  p.diamond();
  return p;
}

// --- 2.1 attach
// --------------------------------------------------------------------------------------------------

Case attach_case(int number, Draw& draw) {
  TapeProgram p{draw, 2, 3, {}};
  p.diamond();
  if (number % 2 == 0) {
    p.add(9, 0, 1);  // a constant that meets what is on the tape
    p.add(1, p.count() - 1, p.count() - 2);
    for (int i = 0; i < 3; ++i) p.add(draw.integer(0, 4));
    p.add(1, p.count() - 1, p.leaves + 6);
    return {"nodes and edges with a constant among them", p.request("facts"), {}, {"a constant is an input"}};
  }
  for (std::int64_t i = draw.integer(5, 20); i > 0; --i) p.add(draw.integer(0, 8));
  p.add(1, p.count() - 1, 0);
  return {"nodes and edges of a longer program", p.request("facts"), {}, {}};
}

// --- 2.2 the walk
// ------------------------------------------------------------------------------------------------

Case walk_case(int number, Draw& draw) {
  if (number % 3 == 1) {
    Values request{{"op", std::string("chain")}, {"length", std::int64_t{number < 3 ? 200000 : 150000}}};
    request["x0"] = draw.array({2}, -1, 1);
    request["dy"] = draw.array({2}, -1, 1);
    return {"a chain of a hundred thousand ops", request, tape_limit, {"the graph is deep"}};
  }
  const std::int64_t ops = number % 3 == 0 ? draw.integer(40, 90)
                           : number > 8    ? draw.integer(400, 800)
                                           : draw.integer(10, 30);
  TapeProgram p = drawn_program(draw, ops, true);
  Values request = p.request("walk");
  request["how"] = std::string(number % 3 == 0 ? "twice" : "again");
  request["dy"] = draw.array({p.size, p.size}, -1, 1);
  return {
      number % 3 == 0 ? "a graph walked twice, then once too often" : "a graph and its second derivatives",
      request,
      tape_limit,
      {number % 3 == 0 ? "backward runs twice" : "create_graph is set"}};
}

// --- 2.3 leaves
// --------------------------------------------------------------------------------------------------

Case leaf_case(int number, Draw& draw) {
  const std::int64_t n = draw.integer(2, 4), m = draw.integer(2, 4);
  const bool turned = number % 3 == 1;
  Values request{{"op", std::string("leaf")},
                 {"how", std::string(number % 3 == 0 ? "shared"
                                     : turned        ? "turned"
                                                     : "history")}};
  request["a"] = draw.array({n, m}, -1, 1);
  request["b"] = draw.array({n, m}, -1, 1);
  request["dy"] = draw.array(turned ? Numbers{m, n} : Numbers{n, m}, -1, 1);
  request["again"] = draw.array({n, m}, -1, 1);
  return {number % 3 == 0 ? "one gradient for two leaves, and a second backward"
          : turned        ? "gradients of transposed leaves"
                          : "a gradient with history",
          request,
          tape_limit,
          {number % 3 == 2 ? "create_graph is set" : "create_graph is not set"}};
}

// --- 2.4 gradients of ops
// ----------------------------------------------------------------------------------------

std::int64_t sliced(std::int64_t begin, std::int64_t end, std::int64_t step) {
  return (end - begin + step - 1) / step;
}

Case op_case(const std::string& which, const std::string& what, const std::vector<Numbers>& inputs,
             const Numbers& numbers, const Numbers& result, Draw& draw,
             std::vector<std::string> traits = {}) {
  Values request{{"op", std::string("gradients")},
                 {"which", which},
                 {"numbers", numbers},
                 {"leaves", static_cast<std::int64_t>(inputs.size())}};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    request["x" + std::to_string(i)] = draw.array(inputs[i], 0.3, 1.5);
    request["v" + std::to_string(i)] = draw.array(inputs[i], -1, 1);
  }
  request["dy"] = draw.array(result, -1, 1);
  return {what, request, tape_limit, std::move(traits)};
}

Case expand_case(int number, Draw& draw) {
  const std::int64_t a = draw.integer(2, 4), b = draw.integer(2, 4), c = draw.integer(2, 4);
  if (number % 2 == 0)
    return op_case("expand", "a size of 1 repeated", {{a, 1, c}}, {a, b, c}, {a, b, c}, draw);
  return op_case("expand", "new dimensions in front", {{1, c}}, {a, b, c}, {a, b, c}, draw);
}

Case slice_case(int number, Draw& draw) {
  const std::int64_t n = draw.integer(7, 11), step = number % 2 == 0 ? 1 : draw.integer(2, 3),
                     begin = draw.integer(1, 2);
  const std::int64_t end = draw.integer(n - 2, n - 1), m = draw.integer(2, 4);
  const std::int64_t d = draw.integer(0, 1);
  const Numbers from = d == 0 ? Numbers{n, m} : Numbers{m, n}, count = {sliced(begin, end, step)};
  return op_case("slice", step == 1 ? "neighbours" : "every second or third", {from}, {d, begin, end, step},
                 d == 0 ? Numbers{count[0], m} : Numbers{m, count[0]}, draw,
                 {step == 1 ? "step is 1" : "step is above 1"});
}

Case sum_case(int number, Draw& draw) {
  const std::int64_t a = draw.integer(2, 4), b = draw.integer(2, 4), c = draw.integer(2, 4);
  if (number % 2 == 0)
    return op_case("mean", "mean over two dimensions", {{a, b, c}}, {0, 2}, {b}, draw, {"the op is mean"});
  return op_case("broadcast", "a product whose second factor was broadcast", {{a, b, c}, {b, 1}}, {},
                 {a, b, c}, draw, {"an input was broadcast"});
}

Case matmul_case(int number, Draw& draw) {
  const std::int64_t m = draw.integer(2, 4), k = m + draw.integer(1, 3), n = k + draw.integer(1, 3),
                     batch = draw.integer(2, 3);
  if (number % 3 == 0)
    return op_case("matmul", "two matrices", {{m, k}, {k, n}}, {}, {m, n}, draw, {"there is no batch"});
  if (number % 3 == 1)
    return op_case("matmul", "a batch times one matrix", {{batch, m, k}, {k, n}}, {}, {batch, m, n}, draw,
                   {"b is one matrix for a batch"});
  return op_case("matmul", "batches that broadcast", {{batch, 1, m, k}, {1, 2, k, n}}, {}, {batch, 2, m, n},
                 draw, {"both operands are batches"});
}

// The two that a student is asked for.
std::vector<std::string> own_two(Draw student) {
  const Numbers order = student.order(static_cast<std::int64_t>(own_op_names().size()));
  return {own_op_names()[static_cast<std::size_t>(order[0])],
          own_op_names()[static_cast<std::size_t>(order[1])]};
}
Case own_case(std::size_t which, Draw& draw) {
  const std::int64_t n = draw.integer(2, 4), m = draw.integer(2, 4);
  Case one = op_case("own", "gradient and second derivative", {{n, m}}, {}, {n, m}, draw);
  one.request["own"] = own_two(draw.student())[which];
  one.request["x0"] = draw.array({n, m}, -1.4, 1.4);
  return one;
}

// No list of wrong bodies holds for ops that are drawn.
std::string explain_own(const std::vector<Outcome>& outcomes) {
  bool second_alone = true, sign = true;
  for (const Outcome& outcome : outcomes) {
    if (outcome.passed()) continue;
    Values first = outcome.want, got = outcome.got;
    for (const char* name : {"second0", "y"}) first.erase(name);
    second_alone = second_alone && difference(outcome.the_case, got, first).empty();
    const auto d = got.find("d0");
    if (d == got.end()) return "";
    Array turned = std::get<Array>(d->second);
    for (double& x : turned.numbers) x = -x;
    got["d0"] = turned;
    sign = sign && difference(outcome.the_case, got, first).empty();
  }
  if (second_alone)
    return "First derivatives are right, second ones are not: backward worked on numbers instead of ops.";
  return sign ? "dx has the wrong sign." : "";
}

// --- 2.5 the gradient check
// --------------------------------------------------------------------------------------

Case check_case(int number, Draw& draw) {
  Numbers faults(6, 0);
  // "exp of 5 x" is always right: a check that errs like h calls it broken.
  for (std::size_t i : std::vector<std::size_t>{0, 2, 3, 4, 5})
    faults[i] = draw.integer(0, 1) * draw.integer(1, 3);
  faults[static_cast<std::size_t>(number % 2 == 0 ? 0 : 3)] = 1;
  faults[static_cast<std::size_t>(number % 2 == 0 ? 3 : 0)] = 0;
  return {"six ops, some of them broken",
          {{"op", std::string("check")}, {"faults", faults}, {"seed", draw.integer(1, 1000000)}},
          {},
          {}};
}

Case spirals_case(int number, Draw& draw) {
  return {"the loss of two spirals",
          {{"op", std::string("demo")}, {"seed", number == 0 ? std::int64_t{0} : draw.integer(1, 9)}},
          {1e-6, 0, 0},
          {}};
}

}  // namespace

Assignment assignment_2() {
  Assignment a;
  a.number = 2;
  a.title = "The tape";
  a.tasks = {
      {.id = "2.1",
       .title = "attach",
       .points = 12,
       .cut = "2.1",
       .publics = 8,
       .hiddens = 8,
       .draw = attach_case},
      {.id = "2.2",
       .title = "gather, push, pop and the loop",
       .points = 22,
       .cut = "2.2",
       .publics = 9,
       .hiddens = 9,
       .draw = walk_case},
      {.id = "2.3",
       .title = "accumulate_leaf",
       .points = 10,
       .cut = "2.3",
       .publics = 9,
       .hiddens = 9,
       .draw = leaf_case},
      {.id = "2.4 expand",
       .title = "gradient of expand",
       .points = 4,
       .cut = "2.4 expand",
       .publics = 4,
       .hiddens = 4,
       .draw = expand_case},
      {.id = "2.4 slice",
       .title = "gradient of slice",
       .points = 4,
       .cut = "2.4 slice",
       .publics = 4,
       .hiddens = 4,
       .draw = slice_case},
      {.id = "2.4 sum",
       .title = "gradients of sum and mean",
       .points = 4,
       .cut = "2.4 sum",
       .publics = 4,
       .hiddens = 4,
       .draw = sum_case},
      {.id = "2.4 matmul",
       .title = "gradient of matmul",
       .points = 4,
       .cut = "2.4 matmul",
       .publics = 6,
       .hiddens = 6,
       .draw = matmul_case},
      {.id = "2.4 first own",
       .title = "your first op",
       .points = 4,
       .cut = "2.4 own",
       .publics = 2,
       .hiddens = 2,
       .draw = [](int, Draw& draw) { return own_case(0, draw); },
       .explain = explain_own},
      {.id = "2.4 second own",
       .title = "your second op",
       .points = 4,
       .cut = "2.4 own",
       .publics = 2,
       .hiddens = 2,
       .draw = [](int, Draw& draw) { return own_case(1, draw); },
       .explain = explain_own},
      {.id = "2.5",
       .title = "a gradient check",
       .points = 12,
       .cut = "2.5",
       .publics = 6,
       .hiddens = 6,
       .draw = check_case},
      {.id = "demo",
       .title = "two spirals",
       .points = 8,
       .cut = "*",
       .publics = 1,
       .hiddens = 1,
       .draw = spirals_case},
  };
  a.questions = tape_questions;
  a.sheet = [](Draw student) {
    const std::vector<std::string> two = own_two(student);
    return "Your two ops of 2.4: " + two[0] + " and " + two[1] + " (course/2/own_ops.h has their formulas)";
  };
  return a;
}

}  // namespace gadolin::course
