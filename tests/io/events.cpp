// TFRecords and event files: files of TensorFlow, files written here, and damaged ones. That the stock viewer
// reads what is written is checked by tools/fixtures/tensorboard_check.py; the file it accepted is a fixture.
#include "io/events.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "io/atomic_file.h"
#include "io/crc32c.h"
#include "tests/data/hostile.h"
#include "tests/scratch.h"

using namespace gadolin;
namespace fs = std::filesystem;

namespace {

const std::string shared = std::string(GADOLIN_TEST_DATA) + "/../../../shared/data/";

class Events : public testing::Test {
 protected:
  void put(const std::string& bytes) {
    fs::remove(path_);  // writing over a file would wait for the disk
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  test::Scratch scratch_;
  std::string folder_ = scratch_.path(), path_ = scratch_ / "a";
};

template <class E, class F> std::string message(F f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "no error";
}

std::vector<std::string> records_of(const std::string& path) {
  RecordReader reader(path);
  std::vector<std::string> all;
  for (std::string bytes; reader.next(bytes);) all.push_back(bytes);
  return all;
}

TEST_F(Events, RecordsComeBack) {
  const std::vector<std::string> wanted{"one", "", std::string(100'000, 'x'), std::string("\0\1", 2)};
  {
    RecordAppender file(path_);
    for (const std::string& record : wanted) file.append(record);
  }
  EXPECT_EQ(records_of(path_), wanted);
  EXPECT_THROW(RecordAppender again(path_), FileError);
  put("");
  EXPECT_TRUE(records_of(path_).empty());
}

TEST_F(Events, DamagedRecordsAreNamed) {
  const std::string bytes = framed_record("hello") + framed_record("world");
  const auto error = [this] {
    return message<FormatError>([this] { records_of(path_); }).substr(9 + path_.size());
  };
  std::string damaged = bytes;
  damaged[12] = 'H';
  put(damaged);
  EXPECT_EQ(error(), ": the record at byte 0 does not match its checksum; the file is damaged");
  damaged = bytes;
  damaged[21] = 1;
  put(damaged);
  EXPECT_EQ(error(),
            ": the length of the record at byte 21 does not match its checksum; the file is damaged or no "
            "TFRecord");
  put(bytes.substr(0, 40));
  EXPECT_EQ(error(), ": it ends inside the bytes of the record at byte 21; the file was cut");
  put(bytes.substr(0, 30));
  EXPECT_EQ(error(), ": it ends inside the frame of the record at byte 21; the file was cut");
  put("\x1f\x8b\b and sixteen more bytes");
  EXPECT_EQ(error(), " is packed with gzip; unpack it with gunzip");
  // A length with a right checksum, far beyond the file: refused before any memory is taken.
  std::string huge(16, '\0');
  const std::uint64_t length = std::uint64_t{1} << 62;
  const std::uint32_t crc = masked_crc32c(crc32c(&length, 8));
  std::memcpy(huge.data(), &length, 8);
  std::memcpy(huge.data() + 8, &crc, 4);
  put(huge);
  EXPECT_EQ(error(), ": the record at byte 0 has 4611686018427387904 bytes, the limit is 1073741824");
  EXPECT_EQ(message<FileError>([this] { RecordReader r(folder_ + "/none"); }),
            "records: " + folder_ +
                "/none: no such file or directory; check the path; folders above it must exist");
  EXPECT_THROW(RecordReader r(folder_), FileError);
}

TEST_F(Events, SurvivesDamage) {
  const std::string bytes = framed_record("hello") + framed_record(std::string(50, 'w'));
  const auto read = [this](const std::string& damaged) {
    put(damaged);
    if (records_of(path_).size() != 2) fail<FormatError>("fewer");
  };
  EXPECT_EQ(survive_truncations(bytes, read), 0);
  EXPECT_EQ(survive_changes(bytes, 1000, bytes.size(), read), 0);
}

TEST_F(Events, ScalarsComeBackAndOtherKindsAreSkipped) {
  const float weights[] = {-1, 0, 0.5f, 2, std::numeric_limits<float>::quiet_NaN()};
  std::string path;
  {
    EventWriter writer(folder_);
    writer.scalar("loss", 1, 0.5);
    writer.histogram("weights", 1, weights);
    writer.histogram("nothing", 1, {});
    writer.image("films", 1, "not really a PNG", {2, 3, 1});
    writer.scalar("loss", 2, std::numeric_limits<double>::quiet_NaN());
    writer.scalar("accuracy/val", -3, 1e30);
    EXPECT_EQ(message<ValueError>([&] {
                writer.image("films", 1, "", {2, 3, 4});
              }),
              "events: image 'films' of 2 x 3 with 4 channels; 1 or 3 are possible");
    path = writer.path();
    EXPECT_EQ(read_scalar_events(path).size(), 3u) << "events are in the file before the writer is gone";
  }
  EXPECT_NE(path.find("tfevents"), std::string::npos);
  const std::vector<ScalarEvent> scalars = read_scalar_events(path);
  ASSERT_EQ(scalars.size(), 3u);
  EXPECT_EQ(scalars[0].tag, "loss");
  EXPECT_EQ(scalars[0].step, 1);
  EXPECT_EQ(scalars[0].value, 0.5);
  EXPECT_NEAR(scalars[0].wall_time, static_cast<double>(std::time(nullptr)), 60);
  EXPECT_TRUE(std::isnan(scalars[1].value));
  EXPECT_EQ(scalars[2].step, -3);
  EXPECT_EQ(records_of(path).size(), 6u);
  EXPECT_NE(EventWriter(folder_, 7).path(), path);  // going on: a file of its own
}

TEST_F(Events, AFileThatIsStillWrittenEndsEarly) {
  std::string path;
  {
    EventWriter writer(folder_);
    writer.scalar("loss", 1, 0.5);
    writer.scalar("loss", 2, 0.25);
    path = writer.path();
  }
  fs::resize_file(path, fs::file_size(path) - 3);
  EXPECT_EQ(read_scalar_events(path).size(), 1u);
}

TEST_F(Events, WhatIsNoEventFileIsSaid) {
  put(framed_record("\x08"));
  EXPECT_EQ(message<FormatError>([this] { read_scalar_events(path_); }),
            "events: " + path_ + ": the record at byte 0 is no event; is it an event file?");
  put(framed_record(""));
  EXPECT_EQ(message<FormatError>([this] { read_scalar_events(path_); }),
            "events: " + path_ + " does not begin with the version of an event file");
}

TEST_F(Events, SurvivesDamageInsideRecords) {
  std::string first, second;
  {
    EventWriter writer(folder_);
    writer.scalar("loss", 1, 0.5);
    const std::vector<std::string> records = records_of(writer.path());
    first = records.at(0);
    second = records.at(1);
  }
  // With right checksums, so that the messages themselves are reached.
  survive_changes(second, 1000, second.size(), [&](const std::string& damaged) {
    put(framed_record(first) + framed_record(damaged));
    read_scalar_events(path_);
  });
}

// Written by this code and read by TensorBoard 2.21 (tools/fixtures/tensorboard_check.py).
TEST_F(Events, TheFileThatTensorBoardRead) {
  const std::vector<ScalarEvent> scalars =
      read_scalar_events(std::string(GADOLIN_TEST_DATA) + "/tensorboard.tfevents");
  ASSERT_EQ(scalars.size(), 5u);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(scalars[static_cast<std::size_t>(i)].tag, "loss");
    EXPECT_EQ(scalars[static_cast<std::size_t>(i)].step, i * 10);
    EXPECT_EQ(scalars[static_cast<std::size_t>(i)].value, 1.0 / (1 << i));
  }
}

TEST_F(Events, FilesOfTensorFlow) {
  if (!fs::exists(shared + "interop-tfevents"))
    GTEST_SKIP() << "the reference data set is not on this machine";
  const std::vector<ScalarEvent> one =
      read_scalar_events(shared + "interop-tfevents/keras-tf1/events.out.tfevents.1548797801.omaha");
  EXPECT_EQ(one.size(), 80u);
  double last_accuracy = 0;
  for (const ScalarEvent& s : one) {
    if (s.tag == "val_acc") last_accuracy = s.value;
  }
  EXPECT_NEAR(last_accuracy, 0.9837, 1e-6);
  const std::vector<ScalarEvent> two = read_scalar_events(
      shared + "interop-tfevents/keras-tf2/events.out.tfevents.1690483610.e-bnbobg-5l77j-0.61366.3.v2");
  EXPECT_EQ(two.size(), 40u);
  for (const ScalarEvent& s : two) EXPECT_TRUE(std::isfinite(s.value) && s.value > 0) << s.tag;
  const std::vector<ScalarEvent> tiny =
      read_scalar_events(shared + "interop-tfevents/tiny/events.out.tfevents.1662041974.calusa.97126.2");
  ASSERT_EQ(tiny.size(), 1u);
  EXPECT_NEAR(tiny[0].value, 0.478751, 1e-6);
  EXPECT_EQ(records_of(shared + "interop-tfrecord/magenta/tfrecord_iterator_test.tfrecord").at(0),
            "hello world");
  EXPECT_EQ(records_of(shared + "interop-tfrecord/torchdata/example.tfrecord").size(), 4u);
  EXPECT_THROW(records_of(shared + "interop-tfrecord/penguin/data_tfrecord-00000-of-00001.gz"), FormatError);
}

}  // namespace
