// Steps from text: what each is called, how many parameters it takes, what it is made of.
#include <charconv>
#include <cmath>

#include "data/image/transform_steps.h"
#include "tensor/check.h"

namespace gadolin::detail {
namespace {

// A step's text cut at its colons. Only the form of numbers is looked at here, constructors know their range.
struct StepText {
  std::string name;
  std::vector<std::string> words;
  const char* usage = "";

  [[noreturn]] void bad(const std::string& why) const {
    std::string all = name;
    for (const std::string& w : words) all = cat(all, ":", w);
    fail<UsageError>("transform: '", printable(all), "': ", why, "; write ", usage);
  }
  std::size_t count() const { return words.size(); }

  double value(const std::string& word) const {
    double v = 0;
    const auto result = std::from_chars(word.data(), word.data() + word.size(), v);
    if (result.ec != std::errc() || result.ptr != word.data() + word.size() || !std::isfinite(v))
      bad(cat("'", printable(word), "' is no number"));
    return v;
  }
  double number(std::size_t i) const { return value(words[i]); }
  double number_or(std::size_t i, double otherwise) const { return i < count() ? number(i) : otherwise; }
  // As from_chars does, false for what is no whole number.
  static bool whole(const std::string& word, int& v) {
    const auto result = std::from_chars(word.data(), word.data() + word.size(), v);
    return result.ec == std::errc() && result.ptr == word.data() + word.size();
  }
  int whole_or(std::size_t i, int otherwise) const {
    int v = otherwise;
    if (i < count() && !whole(words[i], v)) bad(cat("'", printable(words[i]), "' is no whole number"));
    return v;
  }
  Sides sides(std::size_t i) const {
    const std::vector<std::string> parts = parts_of(words[i], 'x');
    int side[2] = {0, 0};
    bool sound = parts.size() <= 2;
    for (std::size_t k = 0; sound && k < parts.size(); ++k) sound = whole(parts[k], side[k]);
    if (!sound) bad(cat("'", printable(words[i]), "' is no size"));
    return parts.size() == 1 ? Sides(side[0]) : Sides(side[0], side[1]);
  }
  Filter filter(std::size_t i) const {
    if (i >= count() || words[i] == "bilinear") return Filter::bilinear;
    if (words[i] != "bicubic") bad(cat("'", printable(words[i]), "' is no filter"));
    return Filter::bicubic;
  }
  // One or three values of channels.
  std::vector<double> values(std::size_t i) const {
    std::vector<double> out;
    for (const std::string& one : parts_of(words[i], '/')) out.push_back(value(one));
    return out;
  }
  std::vector<Windows::Window> windows(std::size_t i) const {
    std::vector<Windows::Window> out;
    for (const std::string& one : parts_of(words[i], '|')) {
      const std::vector<std::string> two = parts_of(one, '/');
      if (two.size() != 2) bad(cat("'", printable(one), "' is no window"));
      out.push_back({value(two[0]), value(two[1])});
    }
    return out;
  }
};

int shorter_side(const StepText& t, std::size_t i) {
  const Sides s = t.sides(i);
  if (!s.one_number) t.bad("lengths of the shorter side are needed");
  return s.width;
}

struct Kind {
  const char *name, *usage;
  std::size_t least, most;  // parameters
  void (*add)(const StepText& text, Pipeline& to);
};

// In the order in which messages name them.
constexpr Kind kinds[] = {
    {"grey", "grey", 0, 0, [](const StepText&, Pipeline& p) { p.add(Grey()); }},
    {"rgb", "rgb", 0, 0, [](const StepText&, Pipeline& p) { p.add(Rgb()); }},
    {"window", "window:CENTER/WIDTH, or of three channels window:CENTER/WIDTH|CENTER/WIDTH|CENTER/WIDTH", 1,
     1, [](const StepText& t, Pipeline& p) { p.add(Windows(t.windows(0))); }},
    {"rescale", "rescale:LOW:HIGH", 2, 2,
     [](const StepText& t, Pipeline& p) { p.add(Rescale(t.number(0), t.number(1))); }},
    {"percentile", "percentile:LOW:HIGH", 2, 2,
     [](const StepText& t, Pipeline& p) { p.add(Percentile(t.number(0), t.number(1))); }},
    {"resize", "resize:S[:bilinear|bicubic] or resize:WxH[:bilinear|bicubic]", 1, 2,
     [](const StepText& t, Pipeline& p) { p.add(Resize(t.sides(0), t.filter(1))); }},
    {"fit", "fit:S:LONGEST[:bilinear|bicubic]", 2, 3,
     [](const StepText& t, Pipeline& p) { p.add(Fit(shorter_side(t, 0), shorter_side(t, 1), t.filter(2))); }},
    {"random-resize", "random-resize:LOW:HIGH", 2, 2,
     [](const StepText& t, Pipeline& p) { p.add(RandomResize(shorter_side(t, 0), shorter_side(t, 1))); }},
    {"central-fraction", "central-fraction:SHARE", 1, 1,
     [](const StepText& t, Pipeline& p) { p.add(CentralFraction(t.number(0))); }},
    {"center-crop", "center-crop:S or center-crop:WxH", 1, 1,
     [](const StepText& t, Pipeline& p) { p.add(CenterCrop(t.sides(0))); }},
    {"random-crop", "random-crop:S[:PAD]", 1, 2,
     [](const StepText& t, Pipeline& p) { p.add(RandomCrop(t.sides(0), t.whole_or(1, 0))); }},
    {"random-resized-crop", "random-resized-crop:S[:SMIN:SMAX[:RMIN:RMAX]]", 1, 5,
     [](const StepText& t, Pipeline& p) {
       const double narrowest = t.number_or(3, 3.0 / 4);
       p.add(RandomResizedCrop(t.sides(0), t.number_or(1, 0.08), t.number_or(2, 1), narrowest,
                               t.number_or(4, std::max(4.0 / 3, narrowest))));
     }},
    {"hflip", "hflip[:PROBABILITY]", 0, 1,
     [](const StepText& t, Pipeline& p) { p.add(HorizontalFlip(t.number_or(0, 0.5))); }},
    {"vflip", "vflip[:PROBABILITY]", 0, 1,
     [](const StepText& t, Pipeline& p) { p.add(VerticalFlip(t.number_or(0, 0.5))); }},
    {"rotate", "rotate:DEGREES", 1, 1, [](const StepText& t, Pipeline& p) { p.add(Rotate(t.number(0))); }},
    {"affine", "affine:DEGREES[:SHIFT[:SMIN:SMAX[:SHEAR]]]", 1, 5,
     [](const StepText& t, Pipeline& p) {
       const double smallest = t.number_or(2, 1);
       p.add(RandomAffine(
           {t.number(0), t.number_or(1, 0), smallest, t.number_or(3, smallest), t.number_or(4, 0)}));
     }},
    {"random-transform", "random-transform[:ROTATION:SHIFT:SHEAR:SMIN:SMAX:PX:PY]", 0, 7,
     [](const StepText& t, Pipeline& p) {
       const RandomTransform::Ranges usual;
       p.add(RandomTransform({t.number_or(0, usual.rotation), t.number_or(1, usual.shift),
                              t.number_or(2, usual.shear), t.number_or(3, usual.smallest),
                              t.number_or(4, usual.largest), t.number_or(5, usual.mirrored),
                              t.number_or(6, usual.upside_down)}));
     }},
    {"brightness", "brightness:AMOUNT", 1, 1,
     [](const StepText& t, Pipeline& p) { p.add(Brightness(t.number(0))); }},
    {"brightness-shift", "brightness-shift:SHARE", 1, 1,
     [](const StepText& t, Pipeline& p) { p.add(BrightnessShift(t.number(0))); }},
    {"contrast", "contrast:AMOUNT", 1, 1,
     [](const StepText& t, Pipeline& p) { p.add(Contrast(t.number(0))); }},
    {"hue", "hue:SHARE", 1, 1, [](const StepText& t, Pipeline& p) { p.add(Hue(t.number(0))); }},
    {"saturation", "saturation:AMOUNT", 1, 1,
     [](const StepText& t, Pipeline& p) { p.add(Saturation(t.number(0))); }},
    {"gamma", "gamma:LO:HI", 2, 2,
     [](const StepText& t, Pipeline& p) { p.add(Gamma(t.number(0), t.number(1))); }},
    {"normalize",
     "normalize:MEAN:DEVIATION, or of three channels MEAN/MEAN/MEAN:DEVIATION/DEVIATION/DEVIATION", 2, 2,
     [](const StepText& t, Pipeline& p) {
       p.add(Normalize{t.values(0), t.values(1)});
     }},
};

std::string known_names() {
  std::string names;
  for (const Kind& k : kinds) names = cat(names, names.empty() ? "" : ", ", k.name);
  return names;
}

}  // namespace

std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else if (c != ' ')
      parts.back() += c;
  }
  return parts;
}

std::string short_number(double v) {
  char text[40];
  const auto result = std::to_chars(text, text + sizeof text, v);
  return {text, result.ptr};
}

std::string side_text(Sides s) { return s.width == s.height ? cat(s.width) : cat(s.width, "x", s.height); }

double checked(const char* step, double v, double low, double high) {
  require<ValueError>(v >= low && v <= high, step, ": ", short_number(v), " is not in ", short_number(low),
                      "..", short_number(high));
  return v;
}

Sides checked(const char* step, Sides s) {
  constexpr int most = 16384;
  require<ValueError>(s.width >= 1 && s.height >= 1 && s.width <= most && s.height <= most, step,
                      ": sides are 1 to ", most, " pixels");
  return s;
}

void add_step_from(const std::string& text, Pipeline& pipeline) {
  StepText step;
  step.words = parts_of(text, ':');
  step.name = step.words.front();
  step.words.erase(step.words.begin());
  const auto kind =
      std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind& k) { return step.name == k.name; });
  require<UsageError>(kind != std::end(kinds), "transform: there is no step '", printable(step.name),
                      "'; known are ", known_names());
  step.usage = kind->usage;
  if (step.count() < kind->least || step.count() > kind->most)
    step.bad(cat(step.count(), step.count() == 1 ? " parameter" : " parameters"));
  try {
    kind->add(step, pipeline);
  } catch (const ValueError& e) {
    // "STEP: what is wrong" of a constructor.
    const std::string said = e.message();
    step.bad(said.substr(said.find(": ") + 2));
  }
}

}  // namespace gadolin::detail
