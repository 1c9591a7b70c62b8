#include "train/communicator.h"

#include <cstring>
#include <sstream>

#include "tensor/autograd.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

class Alone final : public Communicator {
 public:
  Alone() : Communicator(0, 1) {}

 private:  // never called: a single rank's calls end in the base class
  void sum_all(const Tensor&) override {}
  void broadcast_all(const Tensor&) override {}
  void barrier_all() override {}
  std::vector<std::string> gather_all(const std::string& bytes) override { return {bytes}; }
  std::string broadcast_all(const std::string& bytes) override { return bytes; }
};

void check_dense(const char* what, const Tensor& t) {
  require<ShapeError>(is_dense(t.shape(), t.strides()), what, ": a tensor of shape ", t.shape(),
                      " is a view with gaps; clone() it first");
}

void check_sum(const Tensor& t) {
  require<DTypeError>(is_floating(t.dtype()) || t.dtype() == DType::int64, "sum over processes: ", t.dtype(),
                      " is not summed; convert with .to(DType::int64)");
  check_dense("sum over processes", t);
}

// The first line of `theirs` that is not in the same place of `ours`, with ours behind it.
std::string first_difference(const std::string& ours, const std::string& theirs) {
  std::istringstream a(ours), b(theirs);
  std::string one, other;
  for (;;) {
    const bool more = !std::getline(a, one).fail(), others_more = !std::getline(b, other).fail();
    if (!more && !others_more) return "";
    if (!more || !others_more || one != other)
      return cat(others_more ? other : "nothing more", ", rank 0 ", more ? one : "nothing more");
  }
}

}  // namespace

Communicator::Communicator(int rank, int size) : rank_(rank), size_(size) {
  require<ValueError>(rank >= 0 && rank < size, "communicator: rank ", rank, " of ", size,
                      "; ranks are numbered from 0");
}

void Communicator::sum(const Tensor& t) {
  if (alone()) return;
  check_sum(t);
  if (t.numel() == 0) return;
  finish_sums_all();
  sum_all(t);
  t.storage().bump_version();
}

void Communicator::begin_sum(const Tensor& t) {
  if (alone()) return;
  check_sum(t);
  if (t.numel() == 0) return;
  begin_sum_all(t);
  t.storage().bump_version();
}
void Communicator::finish_sums() {
  if (!alone()) finish_sums_all();
}

void Communicator::broadcast(const Tensor& t) {
  if (alone()) return;
  check_dense("broadcast", t);
  if (t.numel() == 0) return;
  broadcast_all(t);
  if (!first()) t.storage().bump_version();
}

void Communicator::barrier() {
  if (!alone()) barrier_all();
}

std::vector<std::string> Communicator::gather(const std::string& bytes) {
  if (alone()) return {bytes};
  return gather_all(bytes);
}

std::string Communicator::broadcast(const std::string& bytes) {
  return alone() ? bytes : broadcast_all(bytes);
}

double Communicator::sum(double value) {
  if (alone()) return value;
  const Tensor t = full({1}, value, DType::fp64);
  sum(t);
  return t.item<double>();
}

Communicator& no_communicator() {
  static Alone alone;
  return alone;
}

Tensor gather_rows(Communicator& communicator, const Tensor& rows) {
  require<ShapeError>(rows.dim() > 0, "gather_rows: shape ", rows.shape(), " has no rows; reshape it to [1]");
  if (communicator.alone()) return rows;
  const NoGrad guard;
  const Tensor mine = rows.detach().to(cpu).contiguous();
  const std::vector<std::string> all = communicator.gather(
      std::string(static_cast<const char*>(mine.raw()), static_cast<std::size_t>(mine.nbytes())));
  if (!communicator.first()) return {};
  std::int64_t bytes_a_row = size_of(rows.dtype()), bytes = 0;
  for (int d = 1; d < rows.dim(); ++d) bytes_a_row *= rows.size(d);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const auto got = static_cast<std::int64_t>(all[rank].size());
    require<ProcessError>(bytes_a_row > 0 ? got % bytes_a_row == 0 : got == 0, "gather_rows: rank ", rank,
                          " sent ", got, " bytes, but a row of rank 0 has ", bytes_a_row,
                          "; all ranks must send rows of one shape and dtype");
    bytes += got;
  }
  Shape shape = rows.shape();
  shape[0] = bytes_a_row > 0 ? bytes / bytes_a_row : 0;
  const Tensor joined = empty(shape, rows.dtype());
  char* to = static_cast<char*>(joined.raw());
  for (const std::string& part : all) {
    std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  return joined;
}

void require_same(Communicator& communicator, const std::string& what, const std::string& value,
                  const std::string& way) {
  if (communicator.alone()) return;
  const std::vector<std::string> all = communicator.gather(value);
  on_first(communicator, [&] {
    for (std::size_t rank = 1; rank < all.size(); ++rank)
      require<ProcessError>(all[rank] == value, "rank ", rank, " has other ", what, ": ",
                            first_difference(value, all[rank]), "; ", way);
    return std::string();
  });
}

std::string on_first(Communicator& communicator, const std::function<std::string()>& f) {
  if (communicator.alone()) return f();
  constexpr char done = '+', failed = '-';
  std::string said;
  if (communicator.first()) {
    try {
      said = done + f();
    } catch (const std::exception& error) {
      communicator.broadcast(failed + std::string(error.what()));
      throw;
    }
  }
  said = communicator.broadcast(said);
  require<ProcessError>(said[0] == done, "rank 0: ", said.substr(1));
  return said.substr(1);
}

}  // namespace gadolin
