// Tools for the files that call oneDNN (one in tensor for matmul, one in layers for the rest): engine,
// stream, types and a cache of primitives by problem. No public header includes this one.
#pragma once

#ifdef GADOLIN_ONEDNN
#include <dnnl.hpp>

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace gadolin::onednn {

// Process-wide engine; one stream a thread.
const dnnl::engine& engine();
dnnl::stream& stream();

// True for fp32 always, for bf16 where the processor computes it natively; otherwise the reference loops run.
bool supports(DType dtype);
dnnl::memory::data_type type_of(DType dtype);
// Descriptor with the tensor's own sizes and strides; no data moves.
dnnl::memory::desc describe(const Tensor& t);
dnnl::memory wrap(const Tensor& t);
dnnl::memory wrap(const Tensor& t, const dnnl::memory::desc& desc);
// dnnl::error with the op's name as an Unsupported or OutOfMemory error of ours.
[[noreturn]] void rethrow(const char* op, const dnnl::error& error);

// Identity of a problem: a short list of numbers (kind, sizes, strides, options).
using Key = std::vector<std::int64_t>;
void append(Key& key, const Tensor& t);

// Least-recently-used cache of whatever a problem needs (primitive descriptor, primitive, memory). One a
// thread and kind.
template <class Value> class Cache {
 public:
  explicit Cache(std::size_t capacity = 1024) : capacity_(capacity) {}
  template <class Make> Value& get(const Key& key, Make&& make) {
    std::string text(reinterpret_cast<const char*>(key.data()), key.size() * sizeof(key[0]));
    const auto found = index_.find(text);
    if (found != index_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return found->second->second;
    }
    order_.emplace_front(text, make());
    index_.emplace(std::move(text), order_.begin());
    if (order_.size() > capacity_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    return order_.front().second;
  }

 private:
  std::size_t capacity_;
  std::list<std::pair<std::string, Value>> order_;
  std::unordered_map<std::string, typename std::list<std::pair<std::string, Value>>::iterator> index_;
};

}  // namespace gadolin::onednn
#endif
