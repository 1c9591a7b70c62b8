#include "tasks/detection/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "tensor/check.h"

namespace gadolin {
namespace {

// A setting that is one of several words.
template <class E> struct Word {
  E& value;
  std::vector<std::pair<const char*, E>> words;
};

// Calls v(name, field) for every setting.
template <class V> void visit_settings(V&& v, DetectorSettings& s) {
  using Rescue = MatchOptions::Rescue;
  using Form = BoxCoder::Form;
  using Kind = BoxLossOptions::Kind;
  v("anchor_sizes", s.anchors.sizes);
  v("anchor_strides", s.anchors.strides);
  v("anchor_ratios", s.anchors.ratios);
  v("anchor_scales", s.anchors.scales);
  v("anchors_of_torchvision", s.anchors.torchvision);
  v("object_overlap", s.match.object);
  v("background_overlap", s.match.background);
  v("background_open", s.match.background_open);
  v("rescue",
    Word<Rescue>{s.match.rescue, {{"none", Rescue::none}, {"best", Rescue::best}, {"ties", Rescue::ties}}});
  v("ignore_padding", s.match.ignore_padding);
  v("plus_one", s.match.plus_one);
  v("box_form", Word<Form>{s.match.coder.form, {{"corners", Form::corners}, {"centre", Form::centre}}});
  v("box_deviation", s.match.coder.deviation);
  v("box_plus_one", s.match.coder.plus_one);
  v("box_loss", Word<Kind>{s.box_loss.kind, {{"smooth_l1", Kind::smooth_l1}, {"giou", Kind::giou}}});
  v("box_beta", s.box_loss.beta);
  v("box_weight", s.box_weight);
  v("focal_alpha", s.alpha);
  v("focal_gamma", s.gamma);
  v("loss_by_picture", s.by_picture);
  v("score", s.detect.score);
  v("candidates", s.detect.candidates);
  v("suppression_overlap", s.detect.overlap);
  v("suppression_by_class", s.detect.by_class);
  v("best_class", s.detect.best_class);
  v("most", s.detect.most);
  v("padding",
    Word<Padding>{s.padding, {{"own", Padding::own}, {"mean", Padding::mean}, {"batch", Padding::batch}}});
}

struct Writer {
  Json& json;
  template <class T> void operator()(const char* name, const T& field) const { json[name] = field; }
  template <class E> void operator()(const char* name, const Word<E>& field) const {
    for (const auto& [word, value] : field.words)
      if (value == field.value) json[name] = word;
  }
};

struct Reader {
  const Json& json;
  const std::string& what;
  std::vector<std::string>& known;

  const Json* find(const char* name) const {
    known.push_back(name);
    const auto found = json.find(name);
    return found == json.end() ? nullptr : &*found;
  }
  static double finite(const Json& value) { return value.is_number() ? value.get<double>() : NAN; }

  void operator()(const char* name, bool& field) const {
    const Json* value = find(name);
    if (value == nullptr) return;
    require<UsageError>(value->is_boolean(), what, ": ", name, " is ", value->dump(), "; use true or false");
    field = value->get<bool>();
  }
  void operator()(const char* name, double& field) const {
    const Json* value = find(name);
    if (value == nullptr) return;
    field = finite(*value);
    require<UsageError>(std::isfinite(field), what, ": ", name, " is ", value->dump(), "; use a number");
  }
  void operator()(const char* name, std::int64_t& field) const {
    const Json* value = find(name);
    if (value == nullptr) return;
    const double number = finite(*value);
    require<UsageError>(number >= 1 && number <= 1e6 && number == std::floor(number), what, ": ", name,
                        " is ", value->dump(), "; use a whole number from 1 to 1000000");
    field = static_cast<std::int64_t>(number);
  }
  void operator()(const char* name, std::vector<double>& field) const {
    if (const Json* value = find(name)) field = list(name, *value);
  }
  void operator()(const char* name, std::array<double, 4>& field) const {
    const Json* value = find(name);
    if (value == nullptr) return;
    const std::vector<double> numbers = list(name, *value);
    require<UsageError>(numbers.size() == 4, what, ": ", name, " is ", value->dump(), "; use four numbers");
    std::copy(numbers.begin(), numbers.end(), field.begin());
  }
  template <class E> void operator()(const char* name, const Word<E>& field) const {
    const Json* value = find(name);
    if (value == nullptr) return;
    std::string words;
    for (const auto& [word, meaning] : field.words) {
      words += (words.empty() ? "" : ", ") + std::string(word);
      if (!value->is_string() || value->get<std::string>() != word) continue;
      field.value = meaning;
      return;
    }
    fail<UsageError>(what, ": ", name, " is ", value->dump(), "; known are ", words);
  }

 private:
  std::vector<double> list(const char* name, const Json& value) const {
    std::vector<double> numbers;
    for (const Json& one : value.is_array() ? value : Json::array({value})) numbers.push_back(finite(one));
    for (const double number : numbers)
      require<UsageError>(std::isfinite(number), what, ": ", name, " is ", value.dump(),
                          "; use numbers, with / between them");
    return numbers;
  }
};

void read_settings(const Json& json, const std::string& what, DetectorSettings& settings,
                   std::vector<std::string>& known) {
  visit_settings(Reader{json, what, known}, settings);
  settings.detect.coder = settings.match.coder;
  settings.match.encoded = settings.box_loss.kind != BoxLossOptions::Kind::giou;
  check_match(settings.match);
  const Anchors checked(settings.anchors);
}

// A word of the command line: "16/32/64" is a list.
Json value_of(const OptionValue& option) {
  if (const auto* flag = std::get_if<bool>(&option)) return *flag;
  if (const auto* number = std::get_if<double>(&option)) return *number;
  const std::string& text = std::get<std::string>(option);
  if (text.find('/') == std::string::npos) return text;
  Json list = Json::array();
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('/', at), text.size());
    double number = 0;
    const auto [rest, error] = std::from_chars(text.data() + at, text.data() + end, number);
    if (error == std::errc() && rest == text.data() + end) {
      list.push_back(number);
    } else {
      list.push_back(text.substr(at, end - at));
    }
    at = end + 1;
  }
  return list;
}

}  // namespace

DetectorSettings detector_preset(const std::string& name) {
  DetectorSettings s;
  if (name == "legacy") {
    s.match.background_open = s.match.plus_one = true;
    s.match.coder = s.detect.coder = BoxCoder::legacy();
    s.detect.by_class = false;
    s.detect.best_class = true;
    s.detect.overlap = 0.4;
    s.detect.score = 0;
    s.by_picture = true;
  } else if (name == "torchvision") {
    s.anchors.torchvision = true;
    s.match.background_open = true;
    s.match.rescue = MatchOptions::Rescue::ties;
    s.match.ignore_padding = false;
    s.match.coder = s.detect.coder = BoxCoder::torchvision();
    s.box_loss.beta = 0;
    s.by_picture = true;
    s.padding = Padding::mean;
  } else {
    require<UsageError>(name == "modern", "detector: preset ", name,
                        " is unknown; known are modern, legacy, torchvision");
  }
  return s;
}

Json settings_to_json(const DetectorSettings& settings) {
  Json json = Json::object();
  DetectorSettings copy = settings;
  visit_settings(Writer{json}, copy);
  return json;
}

DetectorSettings settings_from_json(const Json& json, const std::string& what) {
  DetectorSettings settings;
  std::vector<std::string> known;
  read_settings(json, what, settings, known);
  for (const auto& [name, value] : json.items())
    require<UsageError>(std::find(known.begin(), known.end(), name) != known.end(), what, ": setting ", name,
                        " is unknown; was it made by a newer version?");
  return settings;
}

DetectorSettings take_settings(NetOptions& options, DetectorSettings start) {
  DetectorSettings settings = std::move(start);
  if (const auto preset = options.find("preset"); preset != options.end()) {
    const auto* name = std::get_if<std::string>(&preset->second);
    settings = detector_preset(name == nullptr ? "" : *name);
    options.erase(preset);
  }
  std::vector<std::string> known;
  Json json = Json::object();
  for (const auto& [name, value] : options) json[name] = value_of(value);
  read_settings(json, "detector", settings, known);
  for (const std::string& name : known) options.erase(name);
  return settings;
}

}  // namespace gadolin
