// Steps of a detector that benchmarks time; see steps.h.
#include <algorithm>
#include <cmath>

#include "apps/bench/steps.h"
#include "io/npy.h"
#include "tasks/detection/detection.h"
#include "tensor/check.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace gadolin {
namespace {

constexpr std::int64_t random_boxes = 8;  // of a picture

// Decoded pictures.
class HeldPictures : public Dataset {
 public:
  HeldPictures(std::vector<std::string> classes, std::vector<SampleInfo> samples, std::vector<Image> held)
      : Dataset(std::move(classes), false, std::move(samples), "bench"), held_(std::move(held)) {}
  StoredImage read(std::int64_t i) const override { return {{}, held_[static_cast<std::size_t>(i)]}; }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::make_unique<HeldPictures>(*this); }

 private:
  std::vector<Image> held_;
};

// fp32 [N, M, 5] on the host: x1 y1 x2 y2 class. 16 pixels and more a side, where the picture has them.
Tensor some_boxes(std::uint64_t seed, const Tensor& images) {
  RandomStream random(seed, stream_id(0x62656e6368, 2));
  const std::int64_t n = images.size(0), height = images.size(2), width = images.size(3);
  std::vector<double> values;
  const auto side = [&](std::int64_t whole) {
    const std::int64_t least = std::min<std::int64_t>(16, whole), more = std::max<std::int64_t>(1, whole / 2);
    const auto length =
        std::min(whole, least + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(more))));
    const auto from = random.below(static_cast<std::uint64_t>(whole - length + 1));
    return std::pair(static_cast<double>(from), static_cast<double>(from) + static_cast<double>(length));
  };
  for (std::int64_t k = 0; k < n * random_boxes; ++k) {
    const auto [x1, x2] = side(width);
    const auto [y1, y2] = side(height);
    values.insert(values.end(), {x1, y1, x2, y2, static_cast<double>(random.below(bench_detector_classes))});
  }
  return from_vector(values, {n, random_boxes, 5}).to(DType::fp32);
}

// The batch of DetectionCollation: boxes, label, count.
std::vector<Tensor> truth_of(const StepOptions& o, const Tensor& all, std::int64_t n) {
  require<UsageError>(all.dim() == 3 && all.size(0) == n && all.size(2) == 5, "bench: ", o.labels_file,
                      " is ", all.shape(), " for ", n,
                      " pictures; a detector needs [N, M, 5]: x1 y1 x2 y2 class");
  const Tensor boxes = all.to(DType::fp32).slice(2, 0, 4).contiguous(),
               label = all.to(DType::int64).select(2, 4).contiguous();
  std::vector<std::int64_t> count;
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t boxes_of_picture = 0;
    const auto classes = label.select(0, i).to_vector<std::int64_t>();
    for (std::size_t k = 0; k < classes.size(); ++k) {
      require<UsageError>(classes[k] >= -1 && classes[k] < bench_detector_classes, "bench: ", o.labels_file,
                          ": box ", k, " of picture ", i, " has the class ", classes[k], "; there are 0 to ",
                          bench_detector_classes - 1, ", and -1 for none behind the last box");
      require<UsageError>(classes[k] < 0 || boxes_of_picture == static_cast<std::int64_t>(k),
                          "bench: ", o.labels_file, ": box ", k, " of picture ", i,
                          " stands behind one of class -1; put those last");
      boxes_of_picture += classes[k] >= 0;
    }
    count.push_back(boxes_of_picture);
  }
  return {boxes, label, from_vector(count, {n})};
}

std::vector<std::string> numbers_as_names(std::int64_t count) {
  std::vector<std::string> names;
  for (std::int64_t k = 0; k < count; ++k) names.push_back(std::to_string(k));
  return names;
}

// Settings, losses and choice of boxes are torchvision's, whose net is compared.
class DetectorStep : public StepNet {
 public:
  DetectorStep(const std::string& model, std::int64_t channels)
      : task_(model, {{"input_channels", static_cast<double>(channels)}}, detector_preset("torchvision"),
              numbers_as_names(bench_detector_classes),
              Pipeline(channels == 1 ? "grey,normalize:0.5:0.25"
                                     : "rgb,normalize:0.485/0.456/0.406:0.229/0.224/0.225")) {}
  Module& net() override { return task_.net(); }

  std::vector<Tensor> batch(const Session& session, const StepOptions& o, const Tensor& images,
                            bool training) override {
    const std::int64_t n = images.size(0);
    if (!training) {
      hold(images, session.device());
      std::vector<Tensor> all;
      prepare(all);
      return all;
    }
    names_ = {"image", "boxes", "label", "count", "size"};
    std::vector<Tensor> all{images};
    const Tensor boxes =
        o.labels_file.empty() ? some_boxes(session.common().seed, images) : load_npy(o.labels_file);
    for (Tensor& t : truth_of(o, boxes, n)) all.push_back(std::move(t));
    std::vector<std::int64_t> size;
    for (std::int64_t i = 0; i < n; ++i) size.insert(size.end(), {images.size(2), images.size(3)});
    all.push_back(from_vector(size, {n, 2}));
    for (Tensor& t : all) t = t.to(session.device());
    all[0] = on_device_of(session, images);
    return all;
  }

  void prepare(std::vector<Tensor>& batch) override {
    Batch loaded;
    while (!loader_->next(loaded)) {
    }
    names_ = loaded.names();
    batch = loaded.tensors();
  }

  Tensor loss(const std::vector<Tensor>& batch) override { return task_.loss(Batch(names_, batch)).total; }
  // [N, most, 6]: corners, score and class of each box, -1 behind the last.
  Tensor infer(const std::vector<Tensor>& batch) override {
    const Outputs found = task_.predict(Batch(names_, batch));
    return concat({found["boxes"], found["score"].unsqueeze(2), found["label"].to(DType::fp32).unsqueeze(2)},
                  2);
  }

 private:
  void hold(const Tensor& images, Device device) {
    const std::int64_t n = images.size(0);
    const auto height = static_cast<int>(images.size(2)), width = static_cast<int>(images.size(3)),
               channels = static_cast<int>(images.size(1));
    std::vector<Image> held;
    std::vector<SampleInfo> samples;
    for (std::int64_t i = 0; i < n; ++i) {
      Image& image = held.emplace_back(width, height, channels);
      const auto values = images.select(0, i).permute({1, 2, 0}).contiguous().to_vector<float>();
      for (std::size_t k = 0; k < values.size(); ++k) {
        const float byte = std::round((values[k] + 1) * 127.5F);
        image.pixels[k] = static_cast<std::uint8_t>(std::clamp(byte, 0.F, 255.F));
      }
      samples.emplace_back().name = cat(i);
    }
    set_ = std::make_unique<HeldPictures>(task_.classes(), std::move(samples), std::move(held));
    loader_ = task_.loader(*set_, task_.pipeline(), {.batch_size = n, .workers = 0, .device = device});
  }

  DetectionTask task_;
  std::vector<std::string> names_;
  std::unique_ptr<Dataset> set_;
  std::unique_ptr<DataLoader> loader_;
};

}  // namespace

std::unique_ptr<StepNet> bench_detector(const StepOptions& o, std::int64_t channels) {
  return std::make_unique<DetectorStep>(o.model, channels);
}

}  // namespace gadolin
