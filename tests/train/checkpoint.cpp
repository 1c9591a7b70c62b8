// Checkpoints: everything comes back, every damaged byte is found, and no fault while saving costs the
// previous one.
#include "train/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "io/atomic_file.h"
#include "tests/data/hostile.h"
#include "tests/scratch.h"
#include "train/checkpoint_store.h"

using namespace gadolin;
namespace fs = std::filesystem;

namespace {

Checkpoint sample(std::int64_t step) {
  Checkpoint c;
  for (const DType dtype : {DType::fp32, DType::fp64, DType::bf16, DType::fp16, DType::int64, DType::int32,
                            DType::uint8, DType::boolean}) {
    Tensor x = empty({3, 7}, dtype);
    unsigned char* bytes = static_cast<unsigned char*>(x.raw());
    for (std::int64_t i = 0; i < x.nbytes(); ++i) {
      bytes[i] = static_cast<unsigned char>(dtype == DType::boolean ? i % 2 : (i * 31 + step) % 120);
    }
    c.tensors[std::string("model.") + name_of(dtype)] = x;
  }
  c.tensors["scalar"] = full({}, 2.5, DType::fp64);
  c.tensors["none"] = empty({0, 4}, DType::fp32);
  c.tensors["view"] = c.tensors["model.fp32"].transpose(0, 1);
  c.facts = {{"step", std::to_string(step)},
             {"classes", R"(["AP","PA"])"},
             {"text", std::string("nul \0 and \n", 11)}};
  return c;
}

void expect_equal(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.facts, b.facts);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, x] : a.tensors) {
    const Tensor y = b.tensor(name), dense = x.contiguous();
    EXPECT_EQ(y.dtype(), x.dtype()) << name;
    EXPECT_EQ(y.shape(), x.shape()) << name;
    EXPECT_EQ(std::memcmp(dense.raw(), y.raw(), static_cast<std::size_t>(x.nbytes())), 0) << name;
  }
}

class CheckpointTest : public testing::Test {
 protected:
  void TearDown() override { detail::file_fault = nullptr; }
  std::string bytes_of(const Checkpoint& c) {
    save_checkpoint(path_, c);
    return read_file(path_, 1 << 24);
  }
  void put(const std::string& bytes) {
    fs::remove(path_);  // writing over a file would wait for the disk
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  std::string error() {
    try {
      load_checkpoint(path_);
      return "";
    } catch (const CheckpointError& e) {
      EXPECT_EQ(e.exit_code(), Exit::file);
      return std::string(e.what()).substr(std::string("checkpoint: " + path_).size());
    }
  }
  std::set<std::string> names(const std::string& folder) const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder)) found.insert(entry.path().filename().string());
    return found;
  }
  test::Scratch scratch_;
  std::string folder_ = scratch_.path(), path_ = scratch_ / "a.gdck";
};

TEST_F(CheckpointTest, EverythingComesBackAndTheBytesRepeat) {
  const Checkpoint c = sample(5);
  const std::string once = bytes_of(c);
  expect_equal(c, load_checkpoint(path_));
  EXPECT_EQ(bytes_of(load_checkpoint(path_)), once);
  EXPECT_EQ(load_checkpoint_facts(path_), c.facts);
  EXPECT_EQ(load_checkpoint(path_).number("step"), 5);
  EXPECT_EQ(names(folder_), std::set<std::string>{"a.gdck"});
  bytes_of({});
  EXPECT_TRUE(load_checkpoint(path_).tensors.empty());
}

TEST_F(CheckpointTest, MissingThingsAreNamed) {
  const Checkpoint c = sample(5);
  const auto message = [](auto f) {
    try {
      f();
    } catch (const CheckpointError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(message([&] { c.fact("epoch"); }),
            "checkpoint: no fact 'epoch'; was it saved by another program?");
  EXPECT_EQ(message([&] { c.number("classes"); }),
            "checkpoint: fact 'classes' is '[\"AP\",\"PA\"]', not a whole number");
  EXPECT_EQ(message([&] { c.tensor("fc"); }),
            "checkpoint: no tensor 'fc' among 11; was it saved by another network?");
  EXPECT_THROW(save_checkpoint(path_, {{{"x", Tensor()}}, {}}), ValueError);
  EXPECT_THROW(load_checkpoint(path_), FileError);
}

TEST_F(CheckpointTest, EveryBitOfASmallFileCounts) {
  Checkpoint c;
  c.tensors["w"] = full({5}, 1.0);
  c.facts["step"] = "1";
  const std::string bytes = bytes_of(c);
  ASSERT_LT(bytes.size(), 600u);
  int accepted = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    put(damaged);
    if (error().empty()) ++accepted;
  }
  EXPECT_EQ(accepted, 0);
}

TEST_F(CheckpointTest, AllDamageIsFound) {
  const std::string bytes = bytes_of(sample(5));
  const auto read = [this](const std::string& damaged) {
    put(damaged);
    load_checkpoint(path_);
  };
  EXPECT_EQ(survive_truncations(bytes, read), 0);
  EXPECT_EQ(survive_changes(bytes, 3000, bytes.size(), read), 0);
  EXPECT_THROW(read(bytes + "x"), CheckpointError);
  EXPECT_NO_THROW(read(bytes));
}

TEST_F(CheckpointTest, DamageIsDescribed) {
  Checkpoint c;
  c.tensors["conv1.weight"] = full({20}, 1.0);
  c.tensors["fc.bias"] = full({4}, 2.0);
  const std::string bytes = bytes_of(c), hint = "; resume from another file, or with --resume auto";
  const std::size_t data = bytes.size() - 16 - 64 - 128;
  std::string damaged = bytes;
  damaged[data + 130] = 'x';
  put(damaged);
  EXPECT_EQ(error().substr(0, 49), " is damaged: tensor 'fc.bias', bytes " + std::to_string(data + 128) +
                                       " to " + std::to_string(data + 192) + ", ");
  damaged = bytes;
  damaged[80] = 'x';
  put(damaged);
  EXPECT_EQ(error(), " is damaged: the header (bytes 0 to " + std::to_string(data) +
                         ") does not match its SHA-256" + hint);
  put(bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(error(), cat(" is damaged: it has ", bytes.size() - 1, " bytes, but was written with ",
                         bytes.size(), hint));
  put(bytes.substr(0, 20));
  EXPECT_EQ(error(), " is damaged: it ends after 20 bytes" + hint);
  damaged = bytes;
  damaged.back() = 'x';
  put(damaged);
  EXPECT_EQ(error(),
            " is damaged: the end mark at byte " + std::to_string(bytes.size() - 16) + " is missing" + hint);
  damaged = bytes;
  damaged[8] = 7;
  put(damaged);
  EXPECT_EQ(error(), " has format 7, this program reads up to 1; update Gadolin");
  put("PK\3\4 something else");
  EXPECT_EQ(error(), " is not a Gadolin checkpoint; import other formats with gadolin import");
  put("");
  EXPECT_EQ(error(), " is not a Gadolin checkpoint; import other formats with gadolin import");
}

TEST_F(CheckpointTest, EveryFailingCallKeepsTheOldOne) {
  save_checkpoint(path_, sample(1));
  static int countdown, injected_error;
  int failures = 0;
  for (const int error : {ENOSPC, EIO, EDQUOT, EROFS}) {
    for (int at = 0;; ++at) {
      countdown = at;
      injected_error = error;
      detail::file_fault = [](const char* call, const char*) {
        return std::strcmp(call, "fsync folder") != 0 && countdown-- == 0 ? injected_error : 0;
      };
      bool failed = false;
      try {
        save_checkpoint(path_, sample(2));
      } catch (const FileError& e) {
        failed = true;
        EXPECT_EQ(e.exit_code(), Exit::file);
      }
      detail::file_fault = nullptr;
      const std::int64_t step = load_checkpoint(path_).number("step");
      if (failed) {
        ++failures;
        EXPECT_EQ(step, 1);
        EXPECT_EQ(names(folder_), std::set<std::string>{"a.gdck"});
        continue;
      }
      // Reserving room is advice for most errors (EROFS), so one round may succeed; all calls have failed
      // when none is left.
      save_checkpoint(path_, sample(1));
      if (countdown >= 0) break;
    }
  }
  EXPECT_GE(failures, 60);
}

TEST_F(CheckpointTest, AFullDiskKeepsTheOldOne) {
  save_checkpoint(path_, sample(1));
  const rlim_t size = fs::file_size(path_);
  for (const rlim_t limit : {rlim_t{0}, rlim_t{100}, size / 2, size - 1}) {
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGXFSZ, SIG_IGN);
      const rlimit limits{limit, limit};
      setrlimit(RLIMIT_FSIZE, &limits);
      int result = 1;
      try {
        save_checkpoint(path_, sample(2));
      } catch (const FileError&) {
        result = 0;
      }
      _exit(result);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0) << limit;
    EXPECT_EQ(load_checkpoint(path_).number("step"), 1);
    EXPECT_EQ(names(folder_), std::set<std::string>{"a.gdck"});
  }
}

TEST_F(CheckpointTest, StoreKeepsLastBestAndAFew) {
  CheckpointStore store(folder_ + "/checkpoints", 2);
  EXPECT_FALSE(store.newest().has_value());
  for (std::int64_t step = 1; step <= 6; ++step) store.save(sample(step), step, step == 2);
  EXPECT_EQ(names(folder_ + "/checkpoints"),
            (std::set<std::string>{"best.gdck", "last.gdck", "step-5.gdck", "step-6.gdck"}));
  EXPECT_EQ(load_checkpoint(store.best()).number("step"), 2);
  EXPECT_EQ(load_checkpoint(store.last()).number("step"), 6);
  EXPECT_EQ(store.newest()->checkpoint.number("step"), 6);
  EXPECT_TRUE(store.newest()->skipped.empty());
  // Going on from an earlier one: what is later stays until it is written again.
  store.save(sample(3), 3);
  EXPECT_EQ(load_checkpoint(store.last()).number("step"), 3);
  EXPECT_TRUE(fs::exists(folder_ + "/checkpoints/step-6.gdck"));
  EXPECT_THROW(CheckpointStore(folder_, 0), ValueError);
  save_checkpoint(path_, {});
  EXPECT_THROW(CheckpointStore(path_ + "/x"), FileError);
}

TEST_F(CheckpointTest, StoreFallsBackAndSaysSo) {
  CheckpointStore store(folder_, 3);
  for (std::int64_t step = 1; step <= 3; ++step) store.save(sample(step), step, step == 1);
  const std::string newest = folder_ + "/step-3.gdck";
  std::string bytes = read_file(newest, 1 << 20);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  fs::remove(newest);
  std::ofstream(newest, std::ios::binary) << bytes;
  const auto found = store.newest();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->checkpoint.number("step"), 2);
  ASSERT_EQ(found->skipped.size(), 1u);
  EXPECT_NE(found->skipped[0].find(newest + " is damaged: "), std::string::npos);
  for (const auto& name : names(folder_)) std::ofstream(folder_ + "/" + name) << "rubbish";
  EXPECT_THROW(store.newest(), CheckpointError);
}

// Killed before any system call of a save: the newest valid one is the old or the new, and there are never
// fewer.
TEST_F(CheckpointTest, StoreSurvivesAKillAtEveryCall) {
  CheckpointStore store(folder_, 1);
  store.save(sample(1), 1, true);
  static int calls_left;
  for (int at = 0;; ++at) {
    const pid_t child = fork();
    if (child == 0) {
      calls_left = at;
      detail::file_fault = [](const char*, const char*) {
        if (calls_left-- == 0) kill(getpid(), SIGKILL);
        return 0;
      };
      store.save(sample(2), 2, true);
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    const std::int64_t newest = store.newest()->checkpoint.number("step");
    const std::int64_t last = load_checkpoint(store.last()).number("step");
    const std::int64_t best = load_checkpoint(store.best()).number("step");
    EXPECT_TRUE(newest >= last && last >= best && best >= 1) << newest << " " << last << " " << best;
    EXPECT_TRUE(store.newest()->skipped.empty());
    if (WIFEXITED(status)) {
      EXPECT_EQ(best, 2);
      EXPECT_GE(at, 20);
      break;
    }
    store.save(sample(1), 1, true);
    fs::remove(folder_ + "/step-2.gdck");
  }
  EXPECT_GT(remove_stale_temporaries(folder_, std::time(nullptr) + 10), 0);
  EXPECT_EQ(names(folder_), (std::set<std::string>{"best.gdck", "last.gdck", "step-2.gdck"}));
}

TEST_F(CheckpointTest, ReadersNeverSeeAnythingButAWholeOne) {
  CheckpointStore store(folder_, 1);
  store.save(sample(0), 0, true);
  std::atomic<bool> done = false;
  std::atomic<int> loads = 0, failures = 0;
  std::thread reader([&] {
    while (!done) {
      try {
        load_checkpoint(store.last());
        load_checkpoint(store.best());
      } catch (const Error&) {
        ++failures;
      }
      ++loads;
    }
  });
  for (std::int64_t step = 1; step <= 100 || loads < 100; ++step)
    store.save(sample(step % 100), step, step % 3 == 0);
  done = true;
  reader.join();
  EXPECT_EQ(failures, 0);
}

}  // namespace
