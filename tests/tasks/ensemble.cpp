// Ensembles against NumPy and SciPy (tools/fixtures/people.py): means, weights, classes by name, views.
#include "tasks/ensemble.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tensor/check.h"
#include "tensor/ops.h"
#include "tests/layers/numbers.h"
#include "tests/scratch.h"
#include "tests/tensor/special_values.h"

namespace gadolin {
namespace {

using nlohmann::json;
using test::message_of;
using Mean = EnsembleOptions::Mean;

std::vector<Member> stored_members(const json& c) {
  std::vector<Member> members;
  for (std::size_t m = 0; m < c["logits"].size(); ++m)
    members.push_back(
        {cat("net", m), {"a", "b", "c", "d"}, c["logits"][m], c["weight"][m], c["temperature"][m]});
  return members;
}
void expect_near(const Real& got, const Real& want, double limit = 1e-14) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], limit) << i;
}

TEST(Ensemble, AgreesWithSciPy) {
  const json c = stored_numbers("people.json")["ensemble"];
  const std::vector<Member> members = stored_members(c);
  expect_near(combine(members).probability, c["softmax_probabilities"]);
  expect_near(combine(members, {.mean = Mean::logits}).probability, c["softmax_logits"]);
  expect_near(combine(members, {.multi_label = true}).probability, c["sigmoid_probabilities"]);
  expect_near(combine(members, {.mean = Mean::logits, .multi_label = true}).probability, c["sigmoid_logits"]);
}

TEST(Ensemble, MatchesClassesByName) {
  const std::vector<Member> same = stored_members(stored_numbers("people.json")["ensemble"]);
  std::vector<Member> turned = same;
  turned[1].classes = {"d", "a", "c", "b"};
  for (std::size_t row = 0; row < turned[1].logits.size(); row += 4) {
    const double* z = &same[1].logits[row];
    const double moved[] = {z[3], z[0], z[2], z[1]};
    std::copy(moved, moved + 4, &turned[1].logits[row]);
  }
  const Ensemble a = combine(same), b = combine(turned);
  EXPECT_EQ(a.probability, b.probability);
  EXPECT_EQ(b.classes, (std::vector<std::string>{"a", "b", "c", "d"}));
  turned[1].classes = {"d", "a", "c", "x"};
  EXPECT_EQ(message_of<DataError>([&] { combine(turned); }),
            "ensemble: net1 has a class 'x' that net0 lacks; all members must know the same classes");
  turned[1].classes = {"d", "a", "c"};
  EXPECT_EQ(message_of<DataError>([&] { combine(turned); }),
            "ensemble: net0 has a class 'b' that net1 lacks; all members must know the same classes");
  turned[1].classes = {"d", "a", "c", "a"};
  EXPECT_EQ(message_of<DataError>([&] { combine(turned); }), "ensemble: net1 has two classes of one name");
}

TEST(Ensemble, OfOneIsItself) {
  const Member one{"one", {"x", "y"}, {std::log(0.2), std::log(0.8)}};
  expect_near(combine({one}).probability, {0.2, 0.8});
  expect_near(combine({one}, {.mean = Mean::logits}).probability, {0.2, 0.8});
  Member absent = one;  // B5 of the complaints: weight 0 is not there at all
  absent.name = "absent";
  absent.weight = 0;
  absent.logits = {NAN};
  EXPECT_EQ(combine({one, absent}).probability, combine({one}).probability);
  EXPECT_EQ(combine({absent, one}).probability, combine({one}).probability);
}

TEST(Ensemble, ProbabilitiesStayProbabilities) {
  std::vector<Member> sure;
  for (int m = 0; m < 7; ++m) sure.push_back({cat("net", m), {"a", "b"}, {800, 0}, 0.1 * (m + 1)});
  for (const Mean mean : {Mean::probabilities, Mean::logits}) {
    const Ensemble e = combine(sure, {.mean = mean});
    EXPECT_LE(e.probability[0], 1);
    EXPECT_NEAR(e.probability[0], 1, 1e-15);
  }
  // A veto in the mean of logits, a vote in the mean of probabilities.
  const std::vector<Member> veto{{"yes", {"a", "b"}, {0, 0}}, {"no", {"a", "b"}, {-inf, 0}}};
  expect_near(combine(veto, {.mean = Mean::logits}).probability, {0, 1});
  expect_near(combine(veto).probability, {0.25, 0.75});
}

TEST(Ensemble, RefusesWithMemberAndSampleNamed) {
  Member a{"a.gdck", {"x", "y"}, {1, 2, 3, 4}}, b = a;
  b.name = "b.gdck";
  const auto said = [&]<class E>(E*) { return message_of<E>([&] { combine({a, b}); }); };
  b.logits = {1, 2, NAN, 4};
  EXPECT_EQ(said(static_cast<NumericError*>(nullptr)), "ensemble: a logit of b.gdck for sample 1 is NaN");
  b.logits = {1, 2};
  EXPECT_EQ(said(static_cast<ShapeError*>(nullptr)),
            "ensemble: b.gdck has 2 logits for 2 samples of 2 classes");
  b.logits = {1, 2, 3, 4};
  b.weight = -1;
  EXPECT_EQ(said(static_cast<ValueError*>(nullptr)), "ensemble: weight -1 of b.gdck is not 0 or more");
  b.weight = a.weight = 0;
  EXPECT_EQ(said(static_cast<ValueError*>(nullptr)), "ensemble: all weights are 0");
  b.weight = 1;
  b.temperature = 0;
  EXPECT_EQ(said(static_cast<ValueError*>(nullptr)), "ensemble: temperature 0 of b.gdck is not above 0");
  EXPECT_EQ(message_of<ValueError>([] { combine({}); }), "ensemble: no member");
  EXPECT_EQ(message_of<ShapeError>([] {
              combine({{"a", {"x", "y"}, {1, 2, 3}}});
            }),
            "ensemble: a has 3 logits, no whole rows of 2 classes");
  EXPECT_EQ(
      message_of<NumericError>([] {
        combine({{"a", {"x", "y"}, {inf, 0}}, {"b", {"x", "y"}, {-inf, 0}}}, {.mean = Mean::logits});
      }),
      "ensemble: infinite logits of sample 0 leave no probability; look at the members' weights for NaN and "
      "infinity");
}

TEST(Views, AreTheirOwnInverses) {
  const Tensor x = tensor({1, 2, 3, 4, 5, 6}, {1, 1, 2, 3});
  EXPECT_EQ(seen(x, View::identity).to_vector<double>(), (Real{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(seen(x, View::hflip).to_vector<double>(), (Real{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(seen(x, View::vflip).to_vector<double>(), (Real{4, 5, 6, 1, 2, 3}));
  EXPECT_EQ(seen(x, View::both).to_vector<double>(), (Real{6, 5, 4, 3, 2, 1}));
  for (const View v : views_from("all"))
    EXPECT_EQ(seen(seen(x, v), v).to_vector<double>(), x.to_vector<double>()) << view_name(v);
  EXPECT_EQ(message_of<ShapeError>([] { seen(ones({3}), View::hflip); }),
            "view: images [3] have no height and width");
}

TEST(Views, AreReadFromText) {
  EXPECT_EQ(views_from("all").size(), 4u);
  EXPECT_EQ(views_from("identity,hflip"), (std::vector<View>{View::identity, View::hflip}));
  EXPECT_EQ(views_from("both"), std::vector<View>{View::both});
  EXPECT_EQ(message_of<UsageError>([] { views_from("identity,rotate"); }),
            "views: 'rotate' is unknown; use identity, hflip, vflip, both or all");
  EXPECT_EQ(message_of<UsageError>([] { views_from(""); }),
            "views: '' is unknown; use identity, hflip, vflip, both or all");
  EXPECT_EQ(message_of<UsageError>([] { views_from("hflip,hflip"); }),
            "views 'hflip,hflip': hflip comes twice; each view counts once");
  EXPECT_THROW(views_from("hflip,"), UsageError);
}

}  // namespace
}  // namespace gadolin
