// Communicator: the processes that train one model together, and its null form for one process alone.
//
// Every rank runs the same program on its shard of the data. All of them make the same calls in the same
// order; a call returns when all have made it. A rank that throws in between leaves the others waiting: who
// starts the processes ends all of them when one fails, as mpirun does. What is decided for all (is this row
// the best one, has a signal come) is decided from numbers that all have. Rank 0 alone writes files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin {

// One object for each rank. This class checks the arguments, and does everything for a single rank; a library
// (MPI, NCCL) does the rest.
class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }         // of this process, from 0
  int size() const { return size_; }         // ranks
  bool alone() const { return size_ == 1; }  // whether there is no other
  bool first() const { return rank_ == 0; }  // whether this is rank 0, which writes files

  // t becomes the sum over all ranks, in place: the same bits on all of them. Dense fp32, fp64, fp16, bf16 or
  // int64 of one shape and order everywhere, on any device; on a GPU in the order of the current stream, and
  // part of a step that is being recorded. Throws DTypeError, ShapeError.
  void sum(const Tensor& t);
  // The same, but the caller goes on meanwhile: t is its sum once finish_sums() has returned, and is not to
  // be touched before. Sums that were begun end in their order, and before any other call.
  void begin_sum(const Tensor& t);
  void finish_sums();  // of all that begin_sum() was called for
  // t becomes rank 0's.
  void broadcast(const Tensor& t);
  void barrier();  // returns once all ranks have called it
  // Bytes of any length from each rank, in their order, on rank 0; nothing elsewhere.
  std::vector<std::string> gather(const std::string& bytes);
  std::string broadcast(const std::string& bytes);  // rank 0's

  // Of a number on the host.
  double sum(double value);
  double mean(double value) { return alone() ? value : sum(value) / size_; }  // of sum()

  // What this rank does, such as "step 12": named to the others where they wait for it in vain.
  virtual void doing(const std::string&) {}
  virtual double seconds_waited() const { return 0; }  // for other ranks, since the start
  // Why sums of tensors on this device go through the host, which is slower, and which no recorded step can
  // hold (tensor/capture.h); empty where they do not.
  virtual std::string detour(Device) const { return {}; }
  // What is queued on this device so far has to end. To be called before the host waits for it: it may hold
  // sums, recorded ones too, that wait for a rank that never comes. Then all sums are given up, so that the
  // host's wait ends, and the next call here throws what happened.
  virtual void watch(Device) {}

 protected:
  // Throws ValueError unless 0 <= rank < size.
  Communicator(int rank, int size);
  // What the public functions do where there are several ranks; their arguments are checked already:
  virtual void sum_all(const Tensor& t) = 0;
  virtual void begin_sum_all(const Tensor& t) { sum_all(t); }
  virtual void finish_sums_all() {}
  virtual void broadcast_all(const Tensor& t) = 0;
  virtual void barrier_all() = 0;
  virtual std::vector<std::string> gather_all(const std::string& bytes) = 0;
  virtual std::string broadcast_all(const std::string& bytes) = 0;

 private:
  int rank_, size_;
};

// One process alone: rank 0 of 1. Nothing is sent, copied or waited for.
Communicator& no_communicator();

// Rows of all ranks, one rank after another, on rank 0; undefined elsewhere. rows [N, ...] of one dtype, with
// an N of its own on each rank; the result is on the CPU, of one rank alone it is `rows` as they are. For
// predictions of an evaluation that is shared out.
Tensor gather_rows(Communicator& communicator, const Tensor& rows);

// The same of numbers on the host; none elsewhere.
template <class T> std::vector<T> gather_values(Communicator& communicator, const std::vector<T>& values) {
  const Tensor all =
      gather_rows(communicator, from_vector(values, {static_cast<std::int64_t>(values.size())}));
  return all.defined() ? all.template to_vector<T>() : std::vector<T>();
}

// All ranks must have one and the same: throws a ProcessError on all of them that names the first rank with
// another one. `what`: "data"; `way`: "give all the same". Of texts of several lines the first line that
// differs is named.
void require_same(Communicator& communicator, const std::string& what, const std::string& value,
                  const std::string& way);

// Runs f on rank 0 alone; what it returns reaches all ranks. What it throws ends rank 0's call with that
// error and the others' with a ProcessError of the same text, so that none is left waiting.
std::string on_first(Communicator& communicator, const std::function<std::string()>& f);

}  // namespace gadolin
