// einsum of two tensors: both are brought to three dimensions (letters of both and of the result, letters of
// one alone, letters to be summed over), and a batched matrix product does the rest. Its gradient comes with
// them.
#include <cctype>

#include "tensor/ops.h"
#include "tensor/ops/promote.h"

namespace gadolin {
namespace {

bool has(const std::string& letters, char c) { return letters.find(c) != std::string::npos; }
std::string those(const std::string& letters, const std::string& in, bool wanted = true) {
  std::string kept;
  for (char c : letters) {
    if (has(in, c) == wanted) kept += c;
  }
  return kept;
}

struct Operand {
  std::string letters;
  Tensor x;

  int dim_of(char c) const { return static_cast<int>(letters.find(c)); }
  // Summed over the letters that neither the other operand nor the result names.
  Operand needed_by(const std::string& others) const {
    Dims lone;
    for (char c : those(letters, others, false)) lone.push_back(dim_of(c));
    return lone.empty() ? *this : Operand{those(letters, others), sum(x, lone)};
  }
  // A dimension for each group of letters.
  Tensor grouped(const std::vector<std::string>& groups) const {
    Shape order, sizes;
    for (const std::string& group : groups) {
      sizes.push_back(1);
      for (char c : group) {
        order.push_back(dim_of(c));
        sizes[-1] *= x.size(dim_of(c));
      }
    }
    return x.permute(order).reshape(sizes);
  }
};

struct Equation {
  std::string a, b, y;
};
void require_letters(const std::string& text, const std::string& term, bool form) {
  for (char c : term) form = form && std::isalpha(static_cast<unsigned char>(c)) != 0;
  require<ValueError>(form, "einsum: '", text,
                      "' is not two terms of letters and a result, such as ij,jk->ik");
  for (std::size_t i = 0; i < term.size(); ++i) {
    require<ValueError>(term.find(term[i], i + 1) == std::string::npos, "einsum: '", text,
                        "' has the letter ", term[i], " twice in ", term, "; take the diagonal first");
  }
}
Equation parsed(const std::string& text) {
  std::string s;
  for (char c : text) {
    if (c != ' ') s += c;
  }
  const std::size_t comma = s.find(','), arrow = s.find("->");
  const bool form = comma != std::string::npos && (arrow == std::string::npos || comma < arrow);
  if (!form) require_letters(text, "", false);
  Equation e{s.substr(0, comma), s.substr(comma + 1, arrow == std::string::npos ? arrow : arrow - comma - 1),
             ""};
  if (arrow != std::string::npos) {
    e.y = s.substr(arrow + 2);
  } else {
    e.y = those(e.a, e.b, false) + those(e.b, e.a, false);
    std::sort(e.y.begin(), e.y.end());
  }
  for (const std::string& term : {e.a, e.b, e.y}) require_letters(text, term, true);
  for (char c : e.y)
    require<ValueError>(has(e.a + e.b, c), "einsum: '", text, "' has the letter ", c, " in its result only");
  return e;
}

}  // namespace

Tensor einsum(const std::string& equation, const Tensor& left, const Tensor& right) {
  const Equation e = parsed(equation);
  const detail::Two in = detail::together(left, right);
  Operand a{e.a, in.a}, b{e.b, in.b};
  for (const Operand& o : {a, b}) {
    require<ShapeError>(static_cast<int>(o.letters.size()) == o.x.dim(), "einsum: ", o.letters, " of '",
                        equation, "' names ", o.letters.size(), " dimensions, but the tensor is ",
                        o.x.shape());
  }
  for (char c : those(e.a, e.b)) {
    const std::int64_t n = a.x.size(a.dim_of(c)), m = b.x.size(b.dim_of(c));
    require<ShapeError>(n == m, "einsum: the letter ", c, " of '", equation, "' is ", n, " in ", a.x.shape(),
                        " and ", m, " in ", b.x.shape());
  }
  a = a.needed_by(e.b + e.y);
  b = b.needed_by(e.a + e.y);
  const std::string shared = those(e.a, e.b), batch = those(shared, e.y), summed = those(shared, e.y, false);
  const std::string own_a = those(a.letters, e.b, false), own_b = those(b.letters, e.a, false);
  const Tensor product = matmul(a.grouped({batch, own_a, summed}), b.grouped({batch, summed, own_b}));
  Operand y{batch + own_a + own_b, {}};
  Shape sizes, order;
  for (char c : y.letters) sizes.push_back(has(e.a, c) ? a.x.size(a.dim_of(c)) : b.x.size(b.dim_of(c)));
  for (char c : e.y) order.push_back(y.dim_of(c));
  return product.reshape(sizes).permute(order);
}

}  // namespace gadolin
