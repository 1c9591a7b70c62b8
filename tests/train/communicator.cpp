// Communicator: its null form, what it checks, and the helpers built on it, with threads as ranks.
#include "train/communicator.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/scratch.h"
#include "tests/train/thread_communicator.h"
#include "train/run_dir.h"

namespace gadolin {
namespace {

using test::message_of;
using test::Ranks;

TEST(Communicator, OneProcessAlone) {
  Communicator& alone = no_communicator();
  EXPECT_EQ(alone.rank(), 0);
  EXPECT_EQ(alone.size(), 1);
  EXPECT_TRUE(alone.alone() && alone.first());
  const Tensor t = ones({3}), view = t.slice(0, 0, 3, 2);
  const std::uint64_t version = t.version();
  alone.sum(t);
  alone.broadcast(t);
  alone.sum(view);  // nothing is done, so nothing is refused
  alone.barrier();
  EXPECT_EQ(t.version(), version) << "who keeps t for backward would see a change";
  EXPECT_EQ(alone.sum(2.5), 2.5);
  EXPECT_EQ(alone.mean(2.5), 2.5);
  EXPECT_EQ(alone.gather("bytes"), std::vector<std::string>{"bytes"});
  EXPECT_EQ(alone.broadcast(std::string("bytes")), "bytes");
  EXPECT_TRUE(gather_rows(alone, t).same_as(t));
  EXPECT_EQ(on_first(alone, [] { return std::string("done"); }), "done");
}

TEST(Communicator, SumsAndSpreads) {
  for (const DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16, DType::int64}) {
    Ranks::run(3, [&](Communicator& c) {
      const double mine = c.rank() + 1;
      const Tensor t = full({2, 2}, mine, dtype);
      const std::uint64_t version = t.version();
      c.sum(t);
      EXPECT_EQ(t.to_vector<double>(), std::vector<double>(4, 6)) << name_of(dtype);
      EXPECT_GT(t.version(), version);
      t.detach().fill_(mine);
      c.broadcast(t);
      EXPECT_EQ(t.to_vector<double>(), std::vector<double>(4, 1));
    });
  }
  Ranks::run(3, [](Communicator& c) {
    EXPECT_EQ(c.sum(c.rank() + 0.25), 3.75);
    EXPECT_EQ(c.mean(c.rank()), 1);
    c.barrier();
    const auto all = c.gather(std::string(static_cast<std::size_t>(c.rank()), 'x'));
    EXPECT_EQ(all, c.first() ? (std::vector<std::string>{"", "x", "xx"}) : std::vector<std::string>{});
    EXPECT_EQ(c.broadcast(cat("rank ", c.rank())), "rank 0");
    c.sum(zeros({0}));  // nothing to send
  });
}

TEST(Communicator, GathersRowsOfAnyNumber) {
  Ranks::run(3, [](Communicator& c) {
    const Tensor rows = full({c.rank(), 2}, c.rank(), DType::fp64);
    const Tensor all = gather_rows(c, rows);
    const Tensor names = gather_rows(c, full({1}, 10 * c.rank(), DType::int64));
    if (!c.first()) {
      EXPECT_FALSE(all.defined() || names.defined());
      return;
    }
    EXPECT_EQ(all.shape(), (Shape{3, 2}));
    EXPECT_EQ(all.to_vector<double>(), (std::vector<double>{1, 1, 2, 2, 2, 2}));
    EXPECT_EQ(names.to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 10, 20}));
  });
}

TEST(Communicator, WhatTheFirstRankThrowsReachesAll) {
  std::vector<std::string> said(2);
  const auto attempt = [&](Communicator& c) {
    try {
      on_first(c, []() -> std::string { fail<FileError>("run: the disk is full; make room"); });
    } catch (const Error& error) {
      said[static_cast<std::size_t>(c.rank())] = error.code() + " " + error.what();
    }
    c.barrier();  // both go on
    EXPECT_EQ(on_first(c, [&] { return cat("by ", c.rank()); }), "by 0");
  };
  Ranks::run(2, attempt);
  EXPECT_EQ(said[0], "GD-FILE-001 run: the disk is full; make room");
  EXPECT_EQ(said[1], "GD-PROCESS-001 rank 0: run: the disk is full; make room");
}

TEST(Communicator, Messages) {
  struct Odd : Communicator {
    Odd(int rank, int size) : Communicator(rank, size) {}
    void sum_all(const Tensor&) override {}
    void broadcast_all(const Tensor&) override {}
    void barrier_all() override {}
    std::vector<std::string> gather_all(const std::string& bytes) override { return {bytes, "123"}; }
    std::string broadcast_all(const std::string& bytes) override { return bytes; }
  };
  EXPECT_EQ(message_of<ValueError>([] { Odd(2, 2); }),
            "communicator: rank 2 of 2; ranks are numbered from 0");
  Odd c(0, 2);
  EXPECT_EQ(message_of<DTypeError>([&] { c.sum(zeros({2}, DType::uint8)); }),
            "sum over processes: uint8 is not summed; convert with .to(DType::int64)");
  const Tensor gaps = zeros({4, 4}).slice(1, 0, 2);
  EXPECT_EQ(message_of<ShapeError>([&] { c.sum(gaps); }),
            "sum over processes: a tensor of shape [4, 2] is a view with gaps; clone() it first");
  EXPECT_EQ(message_of<ShapeError>([&] { c.broadcast(gaps); }),
            "broadcast: a tensor of shape [4, 2] is a view with gaps; clone() it first");
  EXPECT_EQ(message_of<ShapeError>([&] { gather_rows(c, zeros({})); }),
            "gather_rows: shape [] has no rows; reshape it to [1]");
  EXPECT_EQ(message_of<ProcessError>([&] {
              gather_rows(c, zeros({1, 2}));
            }),
            "gather_rows: rank 1 sent 3 bytes, but a row of rank 0 has 8; all ranks must send rows of one "
            "shape and dtype");
}

// The harness itself: no test hangs when ranks part ways.
TEST(Communicator, ThreadsNoticeWhatWouldHang) {
  EXPECT_EQ(message_of<ProcessError>([] {
              Ranks::run(2, [](Communicator& c) { c.first() ? c.barrier() : (void)c.sum(1.0); });
            }).substr(0, 22),
            "threads: a rank called");
  EXPECT_EQ(message_of<ValueError>([] {
              Ranks::run(2, [](Communicator& c) {
                if (c.first()) fail<ValueError>("gone");
                c.barrier();
              });
            }),
            "gone");
}

TEST(RunDir, OnlyTheFirstRankWrites) {
  const test::Scratch scratch;
  const std::string folder = scratch / "run";
  std::vector<int> resumed(2);
  for (int again = 0; again < 2; ++again) {
    Ranks::run(2, [&](Communicator& c) {
      RunDir run(folder, RunDir::Open::automatic, c);
      EXPECT_EQ(run.writes(), c.first());
      EXPECT_TRUE(std::filesystem::exists(run.checkpoints())) << "not there when another rank looks";
      resumed[static_cast<std::size_t>(c.rank())] += run.resumed();
      run.log(cat("rank ", c.rank()));
      run.write("note.txt", cat("rank ", c.rank()));
      run.write_config(cat("rank = ", c.rank(), "\n"));
      run.write_environment({{"rank", std::to_string(c.rank())}});
      c.barrier();
      EXPECT_EQ(run.read_config(), "rank = 0\n");
      c.barrier();  // the lock is held until all are done
    });
  }
  EXPECT_EQ(resumed, (std::vector<int>{1, 1}));
  std::ifstream log(folder + "/train.log");
  const std::string text(std::istreambuf_iterator<char>(log), {});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(text.find("rank 1"), std::string::npos);
  std::vector<std::string> said(2);
  Ranks::run(2, [&](Communicator& c) {
    said[static_cast<std::size_t>(c.rank())] =
        message_of<Error>([&] { RunDir(folder, RunDir::Open::create, c); });
  });
  EXPECT_EQ(said[0],
            "run: " + folder + " already holds a run; add --resume, or --overwrite, or choose another --out");
  EXPECT_EQ(said[1], "rank 0: " + said[0]);
}

}  // namespace
}  // namespace gadolin
