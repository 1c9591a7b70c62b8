// Assignment 2: what the framework's tape does with a program of ops.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <stdexcept>

#include "course/2/answers.h"
#include "course/2/own_ops.h"
#include "course/grader/assignment.h"
#include "course/grader/tensors.h"
#include "tensor/autograd.h"
#include "tensor/ops.h"

namespace gadolin::course {
namespace {

// Square matrices of one size; triples [op, a, b] make a new one from two of those before.
Tensor run_program(const std::vector<Tensor>& leaves, const std::vector<std::int64_t>& code) {
  std::vector<Tensor> values = leaves;
  for (std::size_t at = 0; at + 2 < code.size(); at += 3) {
    const Tensor& a = values.at(static_cast<std::size_t>(code[at + 1]));
    const Tensor& b = values.at(static_cast<std::size_t>(code[at + 2]));
    const std::int64_t n = a.size(0);
    switch (code[at]) {
      case 0: values.push_back(mul(add(a, b), 0.5)); break;
      case 1: values.push_back(mul(a, b)); break;
      case 2: values.push_back(mul(sub(a, b), 0.5)); break;
      case 3: values.push_back(tanh(a)); break;
      case 4: values.push_back(sin(a)); break;
      case 5: values.push_back(mul(matmul(a, b), 1.0 / static_cast<double>(n))); break;
      case 6: values.push_back(a.transpose(0, 1)); break;
      case 7: values.push_back(a.slice(0, 1, 2).expand({n, n})); break;
      case 8: values.push_back(mul(add(a, mean(b, {0}, true)), 0.5)); break;
      case 9: {
        const NoGrad island;
        values.push_back(mul(a, b));
        break;
      }
      case 10: values.push_back(mul(a, 1.0)); break;
      default: throw std::invalid_argument("no op " + std::to_string(code[at]));
    }
  }
  return values.back();
}

std::vector<Tensor> leaves_of(const Values& request) {
  std::vector<Tensor> leaves;
  for (std::int64_t i = 0; i < integer(request, "leaves"); ++i) {
    leaves.push_back(tensor_of(array(request, "x" + std::to_string(i))));
    leaves.back().requires_grad_();
  }
  return leaves;
}

void put_gradients(Values& out, const std::string& prefix, const std::vector<Tensor>& leaves) {
  for (std::size_t i = 0; i < leaves.size(); ++i)
    out[prefix + std::to_string(i)] = array_of(leaves[i].grad());
}

// --- 2.1: nodes and edges
// --------------------------------------------------------------------------------------

// All nodes behind `y`, the youngest first: what attach has written into them.
Values facts_answer(const Values& request) {
  const std::int64_t before = live_nodes();
  Values out;
  {
    const std::vector<Tensor> leaves = leaves_of(request);
    const std::string name = "layer1";  // the scope holds it by address
    const PlaceScope place(name);
    const Tensor y = run_program(leaves, integers(request, "code"));
    std::vector<Node*> nodes;
    if (y.node()) nodes.push_back(y.node());
    std::vector<std::int64_t> facts;
    std::string names;
    bool rising = true;
    for (std::size_t i = 0; i < nodes.size() && nodes.size() < 10000; ++i) {
      Node* node = nodes[i];
      names += std::string(node->name()) + "@" + node->place + " ";
      facts.push_back(static_cast<std::int64_t>(node->inputs.size()));
      facts.insert(facts.end(), node->shape.begin(), node->shape.end());
      for (const Edge& edge : node->inputs) {
        facts.push_back((edge.node ? 1 : 0) + (edge.leaf.defined() ? 2 : 0) + (edge.constant ? 4 : 0) +
                        (edge.value.defined() ? 8 : 0));
        facts.push_back(edge.shape.dim());
        facts.push_back(static_cast<std::int64_t>(edge.dtype));
        if (edge.leaf.defined())
          for (const Tensor& leaf : leaves) facts.push_back(edge.leaf.same_as(leaf) ? 1 : 0);
        if (!edge.node) continue;
        rising = rising && edge.node->serial < node->serial;
        if (std::find(nodes.begin(), nodes.end(), edge.node.get()) == nodes.end())
          nodes.push_back(edge.node.get());
      }
    }
    out["facts"] = facts;
    out["names"] = names;
    out["serials_rise"] = std::int64_t{rising};
    out["alive"] = live_nodes() - before;
    out["on_the_tape"] = std::int64_t{y.requires_grad()};
  }
  out["left"] = live_nodes() - before;
  return out;
}

// --- 2.2: the walk
// ---------------------------------------------------------------------------------------------

Values walk_answer(const Values& request) {
  const std::int64_t before = live_nodes();
  Values out;
  {
    const std::vector<Tensor> leaves = leaves_of(request);
    const Tensor y = run_program(leaves, integers(request, "code"));
    const Tensor dy = tensor_of(array(request, "dy"));
    const std::string& how = text(request, "how");
    if (how == "twice") {
      y.backward(dy, {.keep_graph = true});
      put_gradients(out, "first", leaves);
      y.backward(dy);
      put_gradients(out, "second", leaves);
      try {
        y.backward(dy);
        out["third"] = std::string("no error");
      } catch (const Error& error) {
        out["third"] = std::string(error.what());
      }
    } else if (how == "again") {  // gradients of gradients
      y.backward(dy, {.create_graph = true});
      put_gradients(out, "first", leaves);
      Tensor s;
      for (const Tensor& leaf : leaves) {
        const Tensor g = leaf.grad();
        leaf.zero_grad();
        if (!g.defined()) continue;
        const Tensor part = sum(mul(g, dy));
        s = s.defined() ? add(s, part) : part;
      }
      if (s.defined() && s.requires_grad()) s.backward();
      put_gradients(out, "second", leaves);
      for (const Tensor& leaf : leaves) leaf.zero_grad();
    } else {
      y.backward(dy);
      put_gradients(out, "first", leaves);
    }
    for (const Tensor& leaf : leaves) leaf.zero_grad();
    out["alive_before_the_graph_is_dropped"] = live_nodes() - before;
  }
  out["left"] = live_nodes() - before;
  return out;
}

Values chain_answer(const Values& request) {
  const std::int64_t before = live_nodes();
  Values out;
  {
    const Tensor x = tensor_of(array(request, "x0"));
    Tensor y = x.requires_grad() ? x : Tensor(x).requires_grad_();
    const Tensor leaf = y;
    for (std::int64_t i = 0; i < integer(request, "length"); ++i) y = add(y, 1.0);
    y.backward(tensor_of(array(request, "dy")));
    out["dx"] = array_of(leaf.grad());
  }
  out["left"] = live_nodes() - before;
  return out;
}

// --- 2.3: leaves
// -----------------------------------------------------------------------------------------------

Values leaf_answer(const Values& request) {
  Tensor a = tensor_of(array(request, "a")), b = tensor_of(array(request, "b"));
  a.requires_grad_();
  b.requires_grad_();
  const Tensor dy = tensor_of(array(request, "dy")), again = tensor_of(array(request, "again"));
  Values out;
  const std::string& how = text(request, "how");
  if (how == "history") {
    mul(mul(a, a), b).backward(dy, {.create_graph = true});
    const Tensor g = a.grad();
    out["has_history"] = std::int64_t{g.requires_grad()};
    out["first"] = array_of(g);
    mul(a, b).backward(again, {.create_graph = true});
    out["sum"] = array_of(a.grad());
    const Tensor total = a.grad();
    a.zero_grad();
    b.zero_grad();
    if (total.requires_grad()) sum(mul(total, dy)).backward();
    out["second"] = array_of(a.grad());
    a.zero_grad();
    b.zero_grad();
    return out;
  }
  // Both leaves are given the same gradient; what is done to one of them must not change the other.
  if (how == "turned") {
    add(a.transpose(0, 1), b.transpose(0, 1)).backward(dy);
  } else {
    add(a, b).backward(dy);
  }
  out["a"] = array_of(a.grad());
  out["strides"] = vector_of(a.grad().strides());
  out["same_memory"] = std::int64_t{a.grad().storage().id() == b.grad().storage().id() ||
                                    a.grad().storage().id() == dy.storage().id()};
  add(a, mul(b, 2.0)).backward(again);
  out["a_twice"] = array_of(a.grad());
  out["b_twice"] = array_of(b.grad());
  out["dy_after"] = array_of(dy);
  out["has_history"] = std::int64_t{a.grad().requires_grad()};
  return out;
}

// --- 2.4: gradients of ops
// -------------------------------------------------------------------------------------

using OpCall = std::function<Tensor(const std::vector<Tensor>&)>;

OpCall op_named(const Values& request) {
  const std::string& name = text(request, "which");
  if (name == "own") {
    return [own = text(request, "own")](const std::vector<Tensor>& in) { return own_op(own, in[0]); };
  }
  if (name == "matmul") return [](const std::vector<Tensor>& in) { return matmul(in[0], in[1]); };
  const std::vector<std::int64_t> n = integers(request, "numbers");
  if (name == "expand") return [n](const std::vector<Tensor>& in) { return in[0].expand(Shape(n)); };
  if (name == "slice")
    return [n](const std::vector<Tensor>& in) {
      return in[0].slice(static_cast<int>(n.at(0)), n.at(1), n.at(2), n.at(3));
    };
  const Dims dims(n.begin(), n.end());
  if (name == "sum") return [dims](const std::vector<Tensor>& in) { return sum(in[0], dims); };
  if (name == "mean") return [dims](const std::vector<Tensor>& in) { return mean(in[0], dims); };
  if (name == "sum_to") return [n](const std::vector<Tensor>& in) { return sum_to(in[0], Shape(n)); };
  if (name == "broadcast") return [](const std::vector<Tensor>& in) { return mul(in[0], in[1]); };
  throw std::invalid_argument("no op '" + name + "'");
}

// y, the gradients, and the gradient of <gradients, v>. The square makes the second derivative of a linear op
// differ from 0.
Values gradients_answer(const Values& request) {
  const std::vector<Tensor> leaves = leaves_of(request);
  std::vector<Tensor> squares;
  for (const Tensor& leaf : leaves) squares.push_back(mul(leaf, leaf));
  const Tensor dy = tensor_of(array(request, "dy"));
  const OpCall f = op_named(request);
  Values out;
  const Tensor y = f(leaves);
  out["y"] = array_of(y);
  y.backward(dy);
  put_gradients(out, "d", leaves);
  for (const Tensor& leaf : leaves) leaf.zero_grad();
  const Tensor z = f(squares);
  z.backward(dy, {.create_graph = true});
  Tensor s;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const Tensor g = leaves[i].grad();
    leaves[i].zero_grad();
    if (!g.defined()) continue;
    const Tensor part = sum(mul(g, tensor_of(array(request, "v" + std::to_string(i)))));
    s = s.defined() ? add(s, part) : part;
  }
  if (s.defined() && s.requires_grad()) s.backward();
  put_gradients(out, "second", leaves);
  for (const Tensor& leaf : leaves) leaf.zero_grad();
  return out;
}

}  // namespace

Values answer_2(const Values& request) {
  const std::string& op = text(request, "op");
  if (op == "facts") return facts_answer(request);
  if (op == "walk") return walk_answer(request);
  if (op == "chain") return chain_answer(request);
  if (op == "leaf") return leaf_answer(request);
  if (op == "gradients") return gradients_answer(request);
  if (op == "check") return check_answer(request);
  if (op == "demo") return spirals_answer(request);
  throw std::invalid_argument("no op '" + op + "'");
}

}  // namespace gadolin::course
