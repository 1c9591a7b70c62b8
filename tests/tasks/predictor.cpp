// The predictor: one thread that owns a net, many that ask.
#include "tasks/predictor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/data/scratch.h"
#include "tests/scratch.h"
#include "tests/tasks/toy_detector.h"

using namespace gadolin;
using test::message_of;

namespace {

std::unique_ptr<Task> toy() {
  manual_seed(4);
  return std::make_unique<test::ToyDetector>();
}
Batch picture(float value) {
  Batch batch({"image"}, {full({1, 1, test::toy_side, test::toy_side}, value)});
  batch.indices = {0};
  return batch;
}
std::vector<double> boxes(const Outputs& outputs) { return outputs["boxes"].to_vector<double>(); }

TEST(Predictor, AnswersManyThreadsAsTheTaskDoes) {
  const auto alone = toy();
  alone->net().eval();
  std::vector<std::vector<double>> expected;
  for (int i = 0; i < 16; ++i) expected.push_back(boxes(alone->predict(picture(static_cast<float>(i) / 16))));
  Predictor predictor(toy());
  std::atomic<int> right = 0;
  std::vector<std::thread> askers;
  for (int t = 0; t < 4; ++t) {
    askers.emplace_back([&, t] {
      for (int i = t; i < 16; i += 4) {
        std::future<Outputs> answer = predictor.submit(picture(static_cast<float>(i) / 16));
        right += boxes(answer.get()) == expected[static_cast<std::size_t>(i)];
      }
    });
  }
  for (std::thread& t : askers) t.join();
  EXPECT_EQ(right, 16);
}

TEST(Predictor, JoinsWhatWaitsTogether) {
  class Counting : public test::ToyDetector {
   public:
    explicit Counting(std::vector<std::int64_t>& sizes) : sizes_(sizes) {}
    Outputs predict(const Batch& batch) override {
      sizes_.push_back(batch["image"].size(0));
      return test::ToyDetector::predict(batch);
    }

   private:
    std::vector<std::int64_t>& sizes_;
  };
  std::vector<std::int64_t> sizes;
  manual_seed(4);
  std::vector<std::future<Outputs>> answers;
  std::promise<void> gate;
  {
    Predictor predictor(std::make_unique<Counting>(sizes), {.most = 4, .wait = 10});
    std::thread held(
        [&] { predictor.with([&](Task&) { gate.get_future().wait(); }); });  // until all have asked
    while (answers.size() < 8)
      answers.push_back(predictor.submit(picture(static_cast<float>(answers.size()) / 8)));
    gate.set_value();
    held.join();
    for (auto& answer : answers) answer.wait();
  }
  // The eight may come before or after the gate; full batches of four either way.
  std::int64_t all = 0;
  for (const std::int64_t n : sizes) {
    EXPECT_LE(n, 4);
    all += n;
  }
  EXPECT_EQ(all, 8);
  const auto alone = toy();
  alone->net().eval();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::vector<double> got = boxes(answers[i].get()),
                              expected = boxes(alone->predict(picture(static_cast<float>(i) / 8)));
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t k = 0; k < got.size(); ++k) EXPECT_NEAR(got[k], expected[k], 1e-4);
  }
}

TEST(Predictor, AnErrorReachesWhoAskedAndNobodyElse) {
  Predictor predictor(toy());
  Batch wrong({"image"}, {zeros({1, 3, test::toy_side, test::toy_side})});
  wrong.indices = {0};
  std::future<Outputs> bad = predictor.submit(wrong), good = predictor.submit(picture(0.5f));
  EXPECT_THROW(bad.get(), ShapeError);
  EXPECT_EQ(boxes(good.get()).size(), 4u);
  EXPECT_THROW(predictor.with([](Task&) { fail<DataError>("no"); }), DataError);
  EXPECT_EQ(predictor.with([](Task& task) { return std::string(task.kind()); }), "toy-detection");
}

// A net that refuses some pictures, and counts the batches that it sees.
class Picky : public test::ToyDetector {
 public:
  explicit Picky(std::vector<std::int64_t>& sizes) : sizes_(sizes) {}
  Outputs predict(const Batch& batch) override {
    sizes_.push_back(batch["image"].size(0));
    for (const double v : batch["image"].to_vector<double>()) require<DataError>(v >= 0, "a bad picture");
    return test::ToyDetector::predict(batch);
  }

 private:
  std::vector<std::int64_t>& sizes_;
};

// Holds the predictor's thread until it is let go, so that what is asked for meanwhile waits together.
class Held {
 public:
  explicit Held(Predictor& predictor)
      : thread_([this, &predictor] {
          predictor.with([this](Task&) {
            begun_.set_value();
            gate_.get_future().wait();
          });
        }) {
    begun_.get_future().wait();
  }
  void release() {
    gate_.set_value();
    thread_.join();
  }

 private:
  std::promise<void> gate_, begun_;
  std::thread thread_;
};

TEST(Predictor, ABadBatchFailsAloneAmongThoseItWasJoinedWith) {
  std::vector<std::int64_t> sizes;
  manual_seed(4);
  Predictor predictor(std::make_unique<Picky>(sizes), {.most = 8});
  std::vector<std::vector<double>> expected;
  for (int i = 0; i < 5; ++i) expected.push_back(boxes(predictor.run(picture(static_cast<float>(i) / 8))));
  Held held(predictor);
  std::vector<std::future<Outputs>> answers;
  for (int i = 0; i < 5; ++i)
    answers.push_back(predictor.submit(picture(i == 2 ? -1.f : static_cast<float>(i) / 8)));
  held.release();
  for (std::size_t i = 0; i < 5; ++i) {
    if (i == 2)
      EXPECT_EQ(message_of<DataError>([&] { answers[i].get(); }), "a bad picture");
    else
      EXPECT_EQ(boxes(answers[i].get()), expected[i]) << i;
  }
}

TEST(Predictor, WhatNobodyWaitsForLeavesTheQueue) {
  std::vector<std::int64_t> sizes, told;
  manual_seed(4);
  std::vector<std::future<Outputs>> answers;
  {
    Predictor predictor(
        std::make_unique<Picky>(sizes),
        {.most = 8, .queue = 5, .observe = [&](std::int64_t n, double) { told.push_back(n); }});
    std::stop_source gone;
    Held held(predictor);
    for (int i = 0; i < 5; ++i)
      answers.push_back(predictor.submit(picture(0.5f), i < 4 ? gone.get_token() : std::stop_token()));
    EXPECT_EQ(predictor.waiting(), 5);
    gone.request_stop();
    EXPECT_EQ(predictor.waiting(), 1);
    answers.push_back(predictor.submit(picture(0.5f)));  // there is room again
    held.release();
  }
  EXPECT_EQ(message_of<Busy>([&] { answers[0].get(); }),
            "predictor: whoever asked has gone; nothing was computed");
  EXPECT_EQ(boxes(answers[4].get()), boxes(answers[5].get()));
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(told, sizes);
}

TEST(Predictor, OtherShapesAreNoReasonToGoAlone) {
  std::vector<std::int64_t> sizes;
  manual_seed(4);
  Predictor predictor(std::make_unique<Picky>(sizes), {.most = 8});
  Held held(predictor);
  std::vector<std::future<Outputs>> answers;
  for (int i = 0; i < 6; ++i) {
    Batch batch({"image"}, {full({1, 1, test::toy_side, test::toy_side}, 0.5f)});
    if (i % 2) batch = Batch({"image"}, {zeros({1, 3, test::toy_side, test::toy_side})});
    batch.indices = {0};
    answers.push_back(predictor.submit(std::move(batch)));
  }
  held.release();
  for (std::size_t i = 0; i < 6; ++i) {
    if (i % 2)
      EXPECT_THROW(answers[i].get(), ShapeError);
    else
      EXPECT_EQ(boxes(answers[i].get()).size(), 4u);
  }
  EXPECT_EQ(sizes[0], 3);
}

TEST(Predictor, ItsEndAnswersWhatWasAsked) {
  std::vector<std::future<Outputs>> answers;
  {
    Predictor predictor(toy(), {.most = 2, .wait = 30});
    for (int i = 0; i < 5; ++i) answers.push_back(predictor.submit(picture(0.1f)));
  }
  for (auto& answer : answers) EXPECT_EQ(boxes(answer.get()).size(), 4u);
}

TEST(Predictor, MoreThanMayWaitIsRefused) {
  Predictor predictor(toy(), {.queue = 2});
  std::promise<void> gate, begun;
  std::thread held([&] {
    predictor.with([&](Task&) {
      begun.set_value();
      gate.get_future().wait();
    });
  });
  begun.get_future().wait();
  auto first = predictor.submit(picture(0)), second = predictor.submit(picture(0));
  EXPECT_EQ(message_of<Busy>([&] { predictor.submit(picture(0)); }),
            "predictor: 2 samples are waiting, at most 2 may; ask again later");
  gate.set_value();
  held.join();
  EXPECT_EQ(boxes(first.get()), boxes(second.get()));
  EXPECT_EQ(message_of<ValueError>([&] { predictor.submit({}); }), "predictor: the batch has no samples");
  EXPECT_EQ(message_of<ValueError>([] { Predictor(toy(), {.most = 0}); }),
            "predictor: most = 0, wait = 0 s, queue = 0; at least one sample, 0 to 3600 seconds, and 0 or "
            "more waiting are possible");
}

}  // namespace
