#include "course/3/cases_digits.h"

#include <cmath>

#include "data/sets/dataset.h"
#include "data/sets/loader.h"

namespace gadolin::course {
namespace {

constexpr std::int64_t picture = 28 * 28, learnt = 4000, held_back = 1000;

struct Digits {
  std::vector<float> pixels;  // [10,000, 28, 28]
  std::vector<std::int64_t> labels;
};
const Digits& digits() {
  static const Digits all = [] {
    Digits d;
    const auto set = open_idx("examples/data/mnist-test");
    DataLoader loader(*set, Pipeline("grey,normalize:0.3:0.3"), {.batch_size = 500, .shuffle = false});
    for (const Batch& batch : loader) {
      const std::vector<float> pixels = batch["image"].contiguous().to_vector<float>();
      const std::vector<std::int64_t> labels = batch["label"].to_vector<std::int64_t>();
      d.pixels.insert(d.pixels.end(), pixels.begin(), pixels.end());
      d.labels.insert(d.labels.end(), labels.begin(), labels.end());
    }
    return d;
  }();
  return all;
}

Case draw(int, Draw& draw) {
  const Digits& all = digits();
  const std::vector<std::int64_t> order = draw.order(static_cast<std::int64_t>(all.labels.size()));
  const auto part = [&](std::int64_t begin, std::int64_t count, std::vector<std::int64_t>& labels) {
    Array pixels{{count, picture}, {}};
    for (std::int64_t i = begin; i < begin + count; ++i) {
      const std::int64_t which = order[static_cast<std::size_t>(i)];
      const auto first = all.pixels.begin() + which * picture;
      pixels.numbers.insert(pixels.numbers.end(), first, first + picture);
      labels.push_back(all.labels[static_cast<std::size_t>(which)]);
    }
    return pixels;
  };
  std::vector<std::int64_t> labels, wanted;
  Case c;
  c.what = "a net that reads digits";
  c.request = {{"op", std::string("digits")}, {"epochs", std::int64_t{4}}};
  c.request["train"] = part(0, learnt, labels);
  c.request["test"] = part(learnt, held_back, wanted);
  c.request["labels"] = labels;
  return c;
}

// The classes of the held-back digits: found again by their pixels' place in the same order.
std::vector<std::int64_t> classes_of(const Array& test) {
  static const std::map<std::vector<double>, std::int64_t> known = [] {
    std::map<std::vector<double>, std::int64_t> by_pixels;
    const Digits& all = digits();
    for (std::size_t i = 0; i < all.labels.size(); ++i) {
      const auto first = all.pixels.begin() + static_cast<std::ptrdiff_t>(i) * picture;
      by_pixels[{first, first + picture}] = all.labels[i];
    }
    return by_pixels;
  }();
  std::vector<std::int64_t> classes;
  for (auto at = test.numbers.begin(); at != test.numbers.end(); at += picture)
    classes.push_back(known.at({at, at + picture}));
  return classes;
}

std::string compare(const Case&, const Values& got, const Values& want) {
  if (got.contains("error")) return text(got, "error");
  const std::vector<std::int64_t>&said = integers(got, "classes"), &right = integers(want, "classes");
  if (said.size() != right.size())
    return std::to_string(said.size()) + " answers for " + std::to_string(right.size()) + " digits";
  std::size_t hits = 0;
  for (std::size_t i = 0; i < right.size(); ++i) hits += said[i] == right[i];
  if (100 * hits >= 93 * right.size()) return "";
  return std::to_string(hits) + " of " + std::to_string(right.size()) +
         " digits are right, 93 of 100 are wanted";
}

}  // namespace

Task digits_demonstration() {
  Task t;
  t.id = "3.5";
  t.title = "a net that reads digits";
  t.points = 8;
  t.cut = "*";
  t.publics = 1;
  t.hiddens = 1;
  t.draw = draw;
  t.want = [](const Values& r) { return Values{{"classes", classes_of(array(r, "test"))}}; };
  t.compare = compare;
  t.limits.cpu_seconds = 60, t.limits.wall_seconds = 90;
  return t;
}

}  // namespace gadolin::course
