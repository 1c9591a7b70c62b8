// Fusion: neighbouring layers run as one, unless somebody wants to see each of them.
#pragma once

namespace gadolin {

// While one is alive on this thread, layers run one by one, as in the papers: summaries, features of a layer,
// activation maps and exports need that. Without one, neighbouring layers are fused wherever the results stay
// the same except for rounding, and a CallObserver sees only the calls that remain. All fusing is done in
// layers/conv_norm.h, channels.h and branches.h; nets have none of their own.
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
