// The tree keeps its directions and its sizes; and the checks that say so find seeded faults.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/layering/source_tree.h"
#include "tests/scratch.h"

namespace gadolin::layering {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// A small tree of its own.
struct SeededTree : test::Scratch {
  SourceTree read() const { return read_tree(path()); }
};

TEST(Layering, ArrowsPointDownwards) {
  const SourceTree tree = read_tree(GADOLIN_SOURCE_DIR);
  ASSERT_TRUE(tree.contains("tensor/tensor.h")) << "no sources below " << GADOLIN_SOURCE_DIR;
  EXPECT_EQ(joined(wrong_arrows(tree)), "");
}

TEST(Layering, PublicHeadersReachNoCudaHeader) {
  EXPECT_EQ(joined(leaked_headers(read_tree(GADOLIN_SOURCE_DIR))), "");
}

TEST(Layering, FilesAndCoreStayUnderTheirLimits) {
  const SourceTree tree = read_tree(GADOLIN_SOURCE_DIR);
  for (const auto& [folder, lines] : lines_by_folder(tree))
    std::printf("  %-8s %6d lines\n", folder.c_str(), lines);
  EXPECT_EQ(joined(too_long(tree)), "");
}

TEST(Layering, SeededWrongArrowsAreFound) {
  const SeededTree seeded;
  seeded.write("tensor/tensor.h", "#pragma once\n");
  seeded.write("layers/conv.h", "#include \"tensor/tensor.h\"\n");
  seeded.write("nets/resnet.h", "#include \"layers/conv.h\"\n");
  seeded.write("data/image/image.h", "#include \"tensor/tensor.h\"\n");
  seeded.write("train/loop.h", "#include \"data/image/image.h\"\n");
  seeded.write("apps/run/session.h", "");
  seeded.write("apps/bench/op.h", "#include \"nets/resnet.h\"\n#include \"apps/run/session.h\"\n");
  EXPECT_EQ(joined(wrong_arrows(seeded.read())), "");

  seeded.write("tensor/tensor.cpp", "#include \"tensor/tensor.h\"\n#include \"layers/conv.h\"\n");
  seeded.write("data/bad.h", "#include \"layers/conv.h\"\n");
  seeded.write("train/bad.h", "#  include \"nets/resnet.h\"\n");
  seeded.write("data/image/bad.h", "#include \"data/dicom/file.h\"\n");
  seeded.write("data/dicom/file.h", "#include \"data/image/bad.h\"\n#include \"io/csv.h\"\n");
  seeded.write("io/csv.h", "#include \"tensor/tensor.h\"\n");
  seeded.write("tasks/task.h", "#include \"nets/resnet.h\"\n#include \"apps/run/session.h\"\n");
  seeded.write("apps/cam/cam.cpp", "#include \"apps/bench/op.h\"\n#include <gadolin/gadolin.h>\n");
  EXPECT_EQ(joined(wrong_arrows(seeded.read())),
            "apps/cam/cam.cpp:1: includes apps/bench/op.h, but command groups must not know one another\n"
            "apps/cam/cam.cpp:2: includes gadolin/gadolin.h, which is for users only\n"
            "data/bad.h:1: includes layers/conv.h, but data must not know layers\n"
            "data/image/bad.h:1: includes data/dicom/file.h, but data/image must not know data/dicom\n"
            "tasks/task.h:2: includes apps/run/session.h, but tasks must not know apps\n"
            "tensor/tensor.cpp:2: includes layers/conv.h, but tensor must not know layers\n"
            "train/bad.h:1: includes nets/resnet.h, but train must not know nets\n");
}

TEST(Layering, SeededCudaHeaderIsFound) {
  const SeededTree seeded;
  seeded.write("tensor/ops.h", "#include \"tensor/cuda/launch.h\"\n");
  seeded.write("tensor/cuda/launch.h",
               "#ifdef __CUDACC__\n#include <cub/cub.cuh>\n#else\n#include <cmath>\n#endif\n");
  seeded.write("layers/cudnn_graph.h", "#include <cudnn_graph.h>\n");
  EXPECT_EQ(joined(leaked_headers(seeded.read())), "");
  seeded.write("tensor/cuda/launch.h",
               "#ifndef __CUDACC__\n#include <cuda_fp16.h>\n#endif\n#include <cuda_runtime.h>\n");
  EXPECT_EQ(joined(leaked_headers(seeded.read())),
            "tensor/cuda/launch.h:2: tensor/ops.h -> tensor/cuda/launch.h -> cuda_fp16.h\n"
            "tensor/cuda/launch.h:4: tensor/ops.h -> tensor/cuda/launch.h -> cuda_runtime.h\n");
}

TEST(Layering, SeededLongFileIsFound) {
  const SeededTree seeded;
  std::string text;
  for (int i = 0; i < 6; ++i) text += "int i;  //\n";
  text += "\n  // neither this line nor the one before is code\n";
  seeded.write("tensor/a.h", text);
  seeded.write("layers/b.cu", text);
  EXPECT_EQ(joined(too_long(seeded.read(), {.file = 8, .core = 12})), "");
  EXPECT_EQ(joined(too_long(seeded.read(), {.file = 7, .core = 11})),
            "layers/b.cu: 8 lines, at most 7; split it by topic\n"
            "tensor/a.h: 8 lines, at most 7; split it by topic\n"
            "tensor, layers and nets: 12 lines of code, at most 11\n");
}

}  // namespace
}  // namespace gadolin::layering
