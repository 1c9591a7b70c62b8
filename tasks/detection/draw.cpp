#include "tasks/detection/draw.h"

#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr std::size_t longest_name = 24;

// Of a longer text the beginning with two dots; letters of UTF-8 stay whole.
std::string first_letters(const std::string& text, std::size_t most) {
  std::size_t at = 0, letters = 0, cut = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0u) == 0x80u) continue;
    if (letters == most - 2) cut = at;
    if (++letters > most) return text.substr(0, cut) + "..";
  }
  return text;
}

}  // namespace

const char* const drawn_legend = "broken line: truth; whole line: found";

std::vector<DrawnBox> drawn_boxes(std::span<const MarkedBox> truth, std::span<const Detection> found,
                                  const std::vector<std::string>& classes, const DrawOptions& o) {
  const auto class_name = [&](int label) {
    if (label < 0 || label >= static_cast<int>(classes.size())) return cat("class ", label);
    return first_letters(classes[static_cast<std::size_t>(label)], longest_name);
  };
  std::vector<DrawnBox> boxes;
  const auto add = [&](const ObjectBox& b, double score, const std::string& name, bool dashed) {
    boxes.push_back(
        {{b.x1, b.y1, b.x2, b.y2}, b.label, score, o.names ? name : std::string(), dashed, std::nullopt});
  };
  // Truth lies below what was found, and gets the first place for its name when nothing was.
  for (const MarkedBox& t : truth) add(t.box, 0, class_name(t.box.label) + (t.crowd ? " (crowd)" : ""), true);
  int left = o.most;
  for (const std::size_t i : by_score(found)) {
    const Detection& d = found[i];
    if (!(d.score >= o.score) || left-- <= 0) break;
    add(d.box, d.score, class_name(d.box.label) + " " + fixed(d.score, 2), false);
  }
  return boxes;
}

}  // namespace gadolin
