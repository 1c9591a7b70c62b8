// A folder as the steps before train leave it: pictures of slices, their metadata, their labels.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "data/image/image.h"
#include "tensor/check.h"
#include "tensor/random.h"
#include "tests/scratch.h"

namespace gadolin::test {

struct ToyHeadCts {
  int patients = 64, test_patients = 12, size = 24;
};

// A head is a grey disc. A lesion, a bright spot left (subdural) or right (epidural), covers 4 to 7 slices of
// a series, of which a third hide it; one slice in eight elsewhere shows a spot that is none. So a slice
// alone says less than with its neighbours. Files are in no order; every third patient has two series. DIR
// gets stage_2_train/, stage_2_test/, both tables of metadata, reshaped_stage_2_train.csv, sample.csv and
// truth.csv of the test images. The test's metadata and sample name an image more, which has no picture.
inline void write_toy_head_cts(const Scratch& dir, const std::string& folder, const ToyHeadCts& o = {}) {
  std::string labels = "ImgID,any,epidural,intraparenchymal,intraventricular,subarachnoid,subdural\n";
  std::string sample = "ID,Label\n", truth = labels;
  const char* const columns =
      "SOPInstanceUID,PatientID,StudyInstanceUID,SeriesInstanceUID,ImagePositionPatient,"
      "ImageOrientationPatient\n";
  std::string metadata[2] = {columns, columns};
  const char* const parts[2] = {"stage_2_train", "stage_2_test"};
  for (const char* part : parts) std::filesystem::create_directories(dir / (folder + "/" + part));
  const auto six = [&](const std::string& id) {
    for (const char* s :
         {"epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural", "any"})
      sample += id + "_" + s + ",0.5\n";
  };
  int number = 0;
  for (int p = 0; p < o.patients + o.test_patients; ++p) {
    const int test = p >= o.patients;
    for (int series = 0; series < (p % 3 == 0 ? 2 : 1); ++series) {
      RandomStream random(7, stream_id(2, static_cast<std::uint64_t>(10 * p + series)));
      const auto draw = [&](int n) { return static_cast<int>(random.below(static_cast<std::uint64_t>(n))); };
      const int length = 9 + draw(6), begin = 1 + draw(length - 5), end = begin + 4 + draw(4), side = p % 2;
      const bool sick = p % 4 < 3;
      for (int t = 0; t < length; ++t, ++number) {
        const bool lesion = sick && t >= begin && t < end;
        const bool spot = lesion ? random.uniform() > 1.f / 3 : random.uniform() < 0.125f;
        Image image(o.size, o.size, 3);
        const double middle = 0.5 * o.size, x = middle + (side ? 0.22 : -0.22) * o.size;
        for (int row = 0; row < o.size; ++row)
          for (int column = 0; column < o.size; ++column) {
            const double r = std::hypot(row - middle, column - middle),
                         d = std::hypot(row - middle, column - x);
            double v = r < 0.45 * o.size ? 90 : 10;
            if (spot && d < 0.12 * o.size) v = 200;
            v += 30 * (random.uniform() - 0.5);
            for (int c = 0; c < 3; ++c)
              image.row<std::uint8_t>(row)[3 * column + c] =
                  static_cast<std::uint8_t>(std::clamp(v, 0.0, 255.0));
          }
        // Names say nothing of the order.
        char id[16];
        std::snprintf(id, sizeof id, "ID_%06x", static_cast<unsigned>(number * 7919 % 1000003));
        write_png(dir / (folder + "/" + parts[test] + "/" + id + ".png"), image, 1);
        metadata[test] += cat(id, ",P", p, ",study", p, ",s", p, "-", series, ",\"[1, 2, ", -40 + 5 * t,
                              "]\",\"[1, 0, 0, 0, 1, 0]\"\n");
        const std::string row = cat(id, ",", lesion ? 1 : 0, ",", lesion && side ? 1 : 0, ",0,0,0,",
                                    lesion && !side ? 1 : 0, "\n");
        (test ? truth : labels) += row;
        if (test) six(id);
      }
    }
  }
  metadata[1] += "ID_lost,P0,study0,s0-9,\"[1, 2, 3]\",\"[1, 0, 0, 0, 1, 0]\"\n";
  six("ID_lost");
  dir.write(folder + "/reshaped_stage_2_train.csv", labels);
  dir.write(folder + "/truth.csv", truth);
  dir.write(folder + "/sample.csv", sample);
  dir.write(folder + "/train_metadata.csv", metadata[0]);
  dir.write(folder + "/test_metadata.csv", metadata[1]);
}

}  // namespace gadolin::test
