// Fusion: layers that stand side by side run as one, unless somebody wants to see each of them.
#pragma once

namespace gadolin {

// While one is alive on this thread, layers run one by one, as the papers draw them: summaries, features of a
// layer, activation maps and exports open it. Otherwise neighbours run as one where the numbers stay the same
// but for rounding, and a CallObserver is told of the calls that are left. layers/conv_norm.h, channels.h and
// branches.h hold all such savings; nets have none of their own.
class Unfused {
 public:
  Unfused();
  ~Unfused();
  Unfused(const Unfused&) = delete;
  Unfused& operator=(const Unfused&) = delete;
  static bool here();  // whether one is alive on this thread

 private:
  bool before_;
};

}  // namespace gadolin
