#include <algorithm>
#include <functional>
#include <map>

#include "apps/bench/account.h"

namespace gadolin {
namespace {

void add_work(Sum& to, const Work& w, double seconds) {
  ++to.launches;
  to.flops += w.flops, to.read += w.read, to.written += w.written, to.seconds += seconds;
}

double rate_of(const std::string& type, const Gpu& gpu) {
  if (type == "fp16" || type == "bf16") return gpu.half;
  return type == "tf32" ? gpu.tf32 : type == "fp64" ? gpu.fp64 : gpu.fp32;
}

bool name_holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// What each fusion of own kernels would leave out. A launch is taken to be saved whole; what it reads from
// the second level's cache when tensors fit there is not known here.
struct FusionRule {
  const char* name;
  std::function<bool(const Work&)> saves;
};
const std::vector<FusionRule>& fusion_rules() {
  constexpr double on_chip = 40e6;  // bytes of a tensor that registers and shared memory of all blocks hold
  static const std::vector<FusionRule> all = {
      {"batch norm: sums of the gradients in the data gradient's epilogue",
       [](const Work& w) { return name_holds(w.name, "sum_rows_kernel") && name_holds(w.name, "Gradient"); }},
      {"batch norm: statistics in the convolution's epilogue",
       [](const Work& w) {
         return name_holds(w.name, "sum_rows_kernel") && !name_holds(w.name, "Gradient");
       }},
      {"batch norm: applied as the next convolution reads",
       [](const Work& w) { return name_holds(w.name, "forward_kernel"); }},
      {"batch norm: statistics and application in one launch, where the tensor stays on the chip",
       [](const Work& w) {
         return name_holds(w.name, "sum_rows_kernel") && !name_holds(w.name, "Gradient") && w.read <= on_chip;
       }},
      {"bias, ReLU and casts in the epilogue of what comes before",
       [](const Work& w) {
         return name_holds(w.name, "flat_map_kernel") || name_holds(w.name, "strided_map_kernel");
       }},
  };
  return all;
}

}  // namespace

double seconds_at(const Work& w, const Gpu& gpu) {
  return std::max((w.read + w.written) / gpu.bandwidth, w.flops / rate_of(w.type, gpu));
}

double expected_seconds(const std::vector<Work>& work, const Gpu& gpu) {
  double seconds = 0;
  for (const Work& w : work)
    seconds += launch_seconds + std::max((w.read + w.written) / gpu.bandwidth / usual_bandwidth,
                                         w.flops / rate_of(w.type, gpu) / usual_arithmetic);
  return seconds;
}

std::string short_name(const std::string& function) {
  std::string text = function;
  for (const std::string_view space : {"void ", "gadolin::", "detail::", "(anonymous namespace)::"})
    for (std::size_t at; (at = text.find(space)) != std::string::npos;) text.erase(at, space.size());
  const std::size_t open = text.find('<'), call = text.find('(');
  if (open == std::string::npos || open > call) return text.substr(0, call);
  // The last of the arguments that is a type of our own, and of it the first argument that is one.
  const auto own = [](std::string_view t) {
    return !t.empty() && t[0] >= 'A' && t[0] <= 'Z' && !t.starts_with("Access");
  };
  std::vector<std::string> arguments(1);
  int depth = 0;
  for (std::size_t i = open + 1; i < text.size() && depth >= 0; ++i) {
    depth += text[i] == '<' ? 1 : text[i] == '>' ? -1 : 0;
    if (depth < 0) break;
    if (text[i] == ',' && depth == 0)
      arguments.emplace_back();
    else if (text[i] != ' ' || !arguments.back().empty())
      arguments.back() += text[i];
  }
  std::string body;
  for (const std::string& a : arguments)
    if (own(a)) body = a;
  if (body.empty()) return text.substr(0, open);
  const std::size_t inner = body.find('<');
  const std::string first = inner == std::string::npos ? "" : body.substr(inner + 1);
  return text.substr(0, open) + ": " + body.substr(0, inner) +
         (own(first) ? " of " + first.substr(0, first.find_first_of("<>,")) : "");
}

Account account_of(const std::vector<Work>& work, const Gpu& gpu) {
  Account a;
  std::map<std::string, Sum> sums;
  for (const Work& w : work) {
    const double seconds = seconds_at(w, gpu);
    const std::string name = w.kind == "kernel"        ? short_name(w.name)
                             : w.kind == "convolution" ? "convolution, " + w.name
                             : w.kind == "product"     ? "matrix product"
                                                       : w.kind;
    add_work(sums[name + (w.type.empty() ? "" : ", " + w.type)], w, seconds);
    add_work(a.all, w, seconds);
  }
  a.by_name.assign(sums.begin(), sums.end());
  std::stable_sort(a.by_name.begin(), a.by_name.end(),
                   [](const auto& x, const auto& y) { return x.second.seconds > y.second.seconds; });
  return a;
}

std::vector<Fusion> fusions_of(const std::vector<Work>& work, const Gpu& gpu) {
  std::vector<Fusion> fusions;
  for (const FusionRule& rule : fusion_rules()) {
    Fusion f{rule.name, {}};
    for (const Work& w : work)
      if (w.kind == "kernel" && rule.saves(w)) add_work(f.saved, w, seconds_at(w, gpu));
    fusions.push_back(std::move(f));
  }
  return fusions;
}

}  // namespace gadolin
