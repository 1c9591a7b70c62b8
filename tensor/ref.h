// Ref<T>: a counted pointer to an object that carries its own count. Lighter to compile than std::shared_ptr,
// and a count of one can be asked for, which lets gradients be added in place.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace gadolin {

// What a Ref points to: an object with its count.
struct Counted {
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  std::atomic<std::int64_t> references{0};  // Refs that point here
};

// Deletes an object whose count fell to zero. Overloaded for types that must not be freed recursively
// (autograd.h).
template <class T> void release(T* object) { delete object; }

// A counted pointer; nullptr when default.
template <class T> class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) { hold(); }                          // one more that points there
  Ref(const Ref& other) : object_(other.object_) { hold(); }                     // one more
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}  // as many as before
  // Gives up what it held.
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { drop(); }

  T* get() const { return object_; }                                            // nullptr: nothing
  T* operator->() const { return object_; }                                     // as get()
  T& operator*() const { return *object_; }                                     // what get() points to
  explicit operator bool() const { return object_ != nullptr; }                 // whether it holds something
  bool operator==(const Ref& other) const { return object_ == other.object_; }  // the same object
  // Refs that point to the object; 0 without one.
  std::int64_t count() const { return object_ ? object_->references.load(std::memory_order_acquire) : 0; }

 private:
  void hold() {
    if (object_) object_->references.fetch_add(1, std::memory_order_relaxed);
  }
  void drop() {
    if (object_ && object_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) release(object_);
    object_ = nullptr;
  }
  T* object_ = nullptr;
};

}  // namespace gadolin
