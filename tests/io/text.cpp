// Lines, words and bytes of files as every system and program writes them.
#include "io/text.h"

#include <sys/stat.h>

#include <thread>

#include "io/bytes.h"
#include "tensor/check.h"
#include "tests/scratch.h"

namespace gadolin {
namespace {

using test::message_of;
using Lines = std::vector<std::string>;

TEST(Text, LinesOfEverySystem) {
  const Lines want{"a", "b c"};
  for (const char* text : {"a\nb c", "a\r\nb c\r\n", "a\rb c\r",
                           "\xef\xbb\xbf"
                           "a\n\n b c\t\n",
                           "  a  \n\t\nb c"})
    EXPECT_EQ(text_lines(text), want) << text;
  EXPECT_EQ(text_lines(""), Lines{});
  EXPECT_EQ(text_lines("\xef\xbb\xbf\r\n"), Lines{});
  EXPECT_EQ(trimmed(" \t\r"), "");
  EXPECT_EQ(trimmed(" a b\r"), "a b");
}

TEST(Text, TheNearestWordIsNearOrNone) {
  EXPECT_EQ(nearest("resnet-18", {"resnet34", "resnet18", "vgg11"}), "resnet18");
  EXPECT_EQ(nearest("zzz", {"resnet34", "vgg11"}), "");
  EXPECT_EQ(nearest("a", {}), "");
  EXPECT_EQ(nearest("fast", {"best", "reference"}), "");
  EXPECT_EQ(nearest("sine", {"constant", "cosine"}), "cosine");
  EXPECT_EQ(nearest("--init", {"--quiet", "--init-from", "--out"}), "--init-from");
  EXPECT_EQ(nearest("resnet", {"resnet34", "resnet18", "vgg11"}), "resnet34")
      << "one of two at the same distance";
}

TEST(Text, PipesAreReadToTheirEnd) {
  const test::Scratch dir;
  const std::string pipe = dir / "pipe", whole(200'000, 'x');
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << whole; });
  const std::vector<std::uint8_t> bytes = read_bytes(pipe);
  writer.join();
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), whole);
  EXPECT_TRUE(read_bytes("/dev/null").empty());
  EXPECT_EQ(message_of<FormatError>([] { read_bytes("/dev/zero", 100'000); }),
            "read: /dev/zero has more than 97.7 KiB, the most that is read");
}

}  // namespace
}  // namespace gadolin
