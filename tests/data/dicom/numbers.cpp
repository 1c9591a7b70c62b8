// Numbers as text: decimal commas, places without a number, rescale and windows that cannot be read; windows
// and rescale of single frames; narrow windows.
#include <gtest/gtest.h>

#include <cmath>

#include "data/dicom/dicom.h"
#include "tests/data/dicom/parts.h"
#include "tests/data/scratch.h"

namespace gadolin::test {
namespace {

struct DicomNumbers : testing::Test {
  void SetUp() override {
    if (!dicom_available()) GTEST_SKIP() << "built without DICOM";
  }
};
using Warnings = std::vector<std::string>;

std::string ds(DicomTag tag, const std::string& text) { return element(tag, "DS", text); }
std::string both(const std::string& intercept, const std::string& slope) {
  return ds(dicom::rescale_intercept, intercept) + ds(dicom::rescale_slope, slope);
}
std::string window_at(const std::string& center, const std::string& width) {
  return ds(dicom::window_center, center) + ds(dicom::window_width, width);
}
Picture small(const std::string& more) {
  Picture p;
  p.more = more;
  return p;
}
std::vector<float> units(const std::string& more) {
  return to_hounsfield(image_of(picture(small(more), words({0, 1, 2, 3070})))).to_vector<float>();
}
// The numbers of one element, "-" where there is none.
std::string listed(const std::string& vr, const std::string& text, Warnings* warnings = nullptr) {
  const std::string bytes =
      meta() + element(dicom::modality, "CS", "CT") + element(dicom::window_center, vr, text);
  const DicomFile file(bytes, "made");
  std::string out;
  for (const double v : file.numbers(dicom::window_center))
    out += (out.empty() ? "" : " ") + (std::isnan(v) ? "-" : cat(v));
  if (warnings) *warnings = file.warnings();
  return out;
}

TEST_F(DicomNumbers, EachAtItsPlace) {
  EXPECT_EQ(listed("DS", "40\\600"), "40 600");
  EXPECT_EQ(listed("DS", " 40 \\ +6e2"), "40 600");
  EXPECT_EQ(listed("DS", "40\\\\600"), "40 - 600");
  EXPECT_EQ(listed("DS", "40,5\\600"), "40.5 600");
  EXPECT_EQ(listed("DS", "x\\600\\1,2,3"), "- 600 -");
  EXPECT_EQ(listed("DS", "1,024.5"), "-");  // thousands or decimals: nobody knows
  EXPECT_EQ(listed("DS", "nan\\inf\\1e999\\7"), "- - - 7");
  EXPECT_EQ(listed("DS", "40\n"), "40");
  EXPECT_EQ(listed("IS", "12,0\\zwei\\3"), "12 - 3");
  EXPECT_EQ(listed("DS", ""), "");
  Warnings warnings;
  listed("DS", "40,5\\x", &warnings);
  EXPECT_EQ(warnings, (Warnings{"WindowCenter has a decimal comma, it is read as a point",
                                "WindowCenter has a value that is no number, it is left out"}));
}

TEST_F(DicomNumbers, ValuesNeverLoseTheirRescale) {
  EXPECT_EQ(units(both("-1024,25", "0,50")), (std::vector<float>{-1024.25, -1023.75, -1023.25, 510.75}));
  EXPECT_EQ(units(both("-1024", "")), (std::vector<float>{-1024, -1023, -1022, 2046}));
  const auto says = [](const std::string& more) { return message_of<FormatError>([&] { units(more); }); };
  EXPECT_EQ(
      says(both("-1O24", "1")),
      "dicom: made: RescaleIntercept is no number, and values without it would be wrong; write a decimal "
      "number into it");
  EXPECT_EQ(
      says(both("-1024", "one")),
      "dicom: made: RescaleSlope is no number, and values without it would be wrong; write a decimal number "
      "into it");
  EXPECT_EQ(says(both("-1.024,5", "1")), says(both("\\-1024", "1")));
  const std::string group = element(dicom::shared_groups, "SQ",
                                    item(element(dicom::frame_pixel_values, "SQ", item(both("?", "1")))));
  EXPECT_EQ(says(group), says(both("?", "1")));
}

TEST_F(DicomNumbers, WindowsThatCannotBeReadAreLeftOut) {
  const auto windows = [](const std::string& more, Warnings* warnings = nullptr) {
    const std::string bytes = picture(small(more), words({0, 1, 2, 3}));
    const DicomFile file(bytes, "made");
    std::string out;
    for (const DicomWindow& w : read_dicom_image(file).windows) out += cat(w.center, "/", w.width, " ");
    if (warnings) *warnings = file.warnings();
    return out;
  };
  EXPECT_EQ(windows(window_at("40,5\\x\\600", "400,5\\80\\2800")), "40.5/400.5 600/2800 ");
  EXPECT_EQ(windows(window_at("40\\600", "x\\2800")), "600/2800 ");
  Warnings warnings;
  EXPECT_EQ(windows(window_at("40\\50", "0\\-3"), &warnings), "");
  EXPECT_EQ(warnings, Warnings{"a WindowWidth is not above 0, its window is left out"});
  EXPECT_EQ(windows(window_at("40\\50", "80"), &warnings), "40/80 ");
  EXPECT_EQ(warnings, Warnings{"WindowCenter has 2 values, WindowWidth 1"});
  DicomDisplayOptions file_window;
  file_window.mode = DicomDisplay::window;
  EXPECT_EQ(message_of<ValueError>([&] {
              to_image(image_of(picture(small(window_at("?", "80")), words({0, 1, 2, 3}))), file_window);
            }),
            "dicom: the file has no window; give one as center/width");
}

TEST_F(DicomNumbers, PositionsOfSlicesNeedAllTheirNumbers) {
  const auto placed = [](const std::string& position) {
    const std::string bytes =
        meta() + ds(dicom::image_position, position) + ds(dicom::image_orientation, "1\\0\\0\\0\\1\\0");
    const SlicePlace p = slice_place(DicomFile(bytes, "made"));
    return p.placed ? p.position[2] : -1;
  };
  EXPECT_EQ(placed("1\\2\\3,5"), 3.5);
  EXPECT_EQ(placed("x\\1\\2\\3"), -1);  // not shifted to the left
  EXPECT_EQ(placed("1\\x\\3"), -1);
}

// Below a width of 1 the formula of LINEAR has no meaning.
TEST_F(DicomNumbers, NarrowWindows) {
  const auto shown = [](const std::string& more, const DicomDisplayOptions& how = {}) {
    const Image picture_of_it = to_image(image_of(picture(small(more), words({0, 10, 20, 30}))), how);
    return std::vector<int>(picture_of_it.pixels.begin(), picture_of_it.pixels.end());
  };
  const std::vector<int> ramp{0, 70, 140, 209};  // 0.25 a step of 0.913: as LINEAR_EXACT
  EXPECT_EQ(shown(both("0", "0.025") + window_at("0.4565", "0.9130")), ramp);
  EXPECT_EQ(shown(both("0", "0.025") + window_at("0,4565", "0,9130")), ramp);
  EXPECT_EQ(shown(both("0", "0.0025") + window_at("0.04565", "0.0913")), ramp);
  EXPECT_EQ(shown(window_at("20", "1")), (std::vector<int>{0, 0, 255, 255}));
  EXPECT_EQ(
      shown(both("0", "0.025") + window_at("0.5", "0.5") + element(dicom::voi_function, "CS", "SIGMOID"))[2],
      128);
  DicomDisplayOptions own;
  own.window = DicomWindow{0.4565, 0.913, "", "LINEAR"};
  EXPECT_EQ(shown(both("0", "0.025"), own), ramp);
  const std::string bytes = picture(small(window_at("0.5", "0.5")), words({0, 1, 2, 3}));
  const DicomFile file(bytes, "made");
  EXPECT_EQ(read_dicom_image(file).windows[0].function, "LINEAR_EXACT");
  EXPECT_EQ(file.warnings(), Warnings{"a WindowWidth is below 1, its window is shown as LINEAR_EXACT"});
}

struct Groups {
  static std::string voi(const std::string& center, const std::string& width, const std::string& more = "") {
    return element(dicom::frame_voi, "SQ", item(window_at(center, width) + more));
  }
  static std::string values(const std::string& intercept, const std::string& slope) {
    return element(dicom::frame_pixel_values, "SQ", item(both(intercept, slope)));
  }
};

// Three frames of 2 x 2, the second 2000 above the first, the third 4000.
std::string frames_with(const std::string& more) {
  Picture p = small(more);
  p.front = element(dicom::number_of_frames, "IS", "3");
  return picture(p, words({0, 1000, 500, 250, 2000, 3000, 2500, 2250, 4000, 5000, 4500, 4250}));
}

TEST_F(DicomNumbers, EachFrameHasItsWindow) {
  const auto frame = [](const DicomImage& image, int f) {
    DicomDisplayOptions how;
    how.frame = f;
    return to_image(image, how).pixels;
  };
  const std::string own = element(dicom::frame_groups, "SQ",
                                  item(Groups::voi("500", "1000")) + item(Groups::voi("2500", "1000")) +
                                      item(Groups::voi("4500", "1000")));
  const DicomImage all = image_of(frames_with(own));
  EXPECT_EQ(frame(all, 0), (std::vector<std::uint8_t>{0, 255, 128, 64}));
  EXPECT_EQ(frame(all, 1), frame(all, 0));
  EXPECT_EQ(frame(all, 2), frame(all, 0));
  // One frame alone has its own window too.
  const std::string bytes = frames_with(own);
  const DicomImage second = read_dicom_image(DicomFile(bytes, "made"), 1);
  EXPECT_EQ(second.windows[0].center, 2500);
  EXPECT_EQ(frame(second, 0), frame(all, 0));
  // What a frame does not say, all share; a file's own window comes last.
  const std::string shared = element(dicom::shared_groups, "SQ", item(Groups::voi("4500", "1000")));
  const DicomImage mixed = image_of(
      frames_with(window_at("1", "2") + shared +
                  element(dicom::frame_groups, "SQ",
                          item(Groups::voi("500", "1000")) + item("") + item(Groups::values("-2000", "1")))));
  EXPECT_EQ(mixed.windows_of(0)[0].center, 500);
  EXPECT_EQ(mixed.windows_of(1)[0].center, 4500);
  EXPECT_EQ(mixed.windows_of(2)[0].center, 4500);
  EXPECT_EQ(to_hounsfield(mixed).to_vector<float>()[8],
            2000);  // 4000 - 2000: the third, although the first two are silent
  EXPECT_EQ(to_hounsfield(mixed).to_vector<float>()[4], 2000);
  const DicomImage only = image_of(frames_with(shared));
  EXPECT_TRUE(only.frame_windows.empty());
  EXPECT_EQ(only.windows[0].center, 4500);
  // Fewer groups than frames; function and explanation of a frame.
  const DicomImage few =
      image_of(frames_with(element(dicom::frame_groups, "SQ",
                                   item(Groups::voi("40\\600", "80\\2800",
                                                    element(dicom::window_explanation, "LO", "BRAIN\\BONE") +
                                                        element(dicom::voi_function, "CS", "SIGMOID"))))));
  EXPECT_EQ(few.windows_of(0)[1].explanation, "BONE");
  EXPECT_EQ(few.windows_of(0)[0].function, "SIGMOID");
  EXPECT_TRUE(few.windows_of(2).empty());
}

}  // namespace
}  // namespace gadolin::test
