#include "layers/fusion.h"

#include <utility>

namespace gadolin {
namespace {
thread_local bool apart = false;
}

Unfused::Unfused() : before_(std::exchange(apart, true)) {}
Unfused::~Unfused() { apart = before_; }
bool Unfused::here() { return apart; }

}  // namespace gadolin
