#include "data/sets/boxes/detection_set.h"

#include "io/sha256.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {

DetectionSet::DetectionSet(std::vector<std::string> classes, std::vector<SampleInfo> samples,
                           std::string root, Content content)
    : Dataset(std::move(classes), true, std::move(samples), std::move(root)),
      content_(std::make_shared<const Content>(std::move(content))) {}

const MarkedPicture& DetectionSet::picture(std::int64_t i) const {
  return content_->pictures[static_cast<std::size_t>(info(i).record)];
}

Sample DetectionSet::sample(std::int64_t i) const {
  std::vector<ObjectBox> boxes;
  for (const MarkedBox& marked : picture(i).boxes)
    if (!marked.crowd) boxes.push_back(marked.box);
  Sample sample;
  sample.set("image", read(i)).set("boxes", std::move(boxes)).set("label", info(i).labels);
  return sample;
}

std::string DetectionSet::place(const BoxOrigin& origin) const {
  const std::string& file = content_->files[static_cast<std::size_t>(origin.file)];
  return cat(printable(file), ":", origin.line,
             origin.entry < 0 ? "" : cat(": annotations[", origin.entry, "]"));
}

std::string DetectionSet::fingerprint() const {
  Sha256 all;
  all.update(Dataset::fingerprint());
  for (std::int64_t i = 0; i < size(); ++i) {
    std::string row = "picture" + picture(i).side;
    for (const MarkedBox& b : picture(i).boxes) {
      row += cat("\n", exact_text(b.box.x1), " ", exact_text(b.box.y1), " ", exact_text(b.box.x2), " ",
                 exact_text(b.box.y2), " ", b.box.label, b.crowd ? " crowd" : "",
                 b.box.ellipse ? " ellipse" : "", b.difficult ? " difficult" : "");
    }
    all.update(row + "\n");
  }
  return all.hex();
}

std::string DetectionSet::summary() const {
  const BoxCounts& c = counts();
  const auto number = [](std::int64_t count, const char* one, const char* more) {
    return cat(count, " ", count == 1 ? one : more);
  };
  std::int64_t empty = 0;
  for (const MarkedPicture& p : content_->pictures) empty += p.boxes.empty();
  std::string text = cat(number(c.rows, "row with a box", "rows with boxes"), ": ",
                         number(c.boxes, "box", "boxes"), " of ", number(num_classes(), "class", "classes"),
                         " in ", number(std::ssize(content_->pictures), "picture", "pictures"), ", ", empty,
                         " of them without boxes");
  if (c.wrong > 0) text += cat("; ", number(c.wrong, "wrong row is", "wrong rows are"), " left out");
  if (c.thin > 0)
    text += cat("; ", number(c.thin, "box", "boxes"), " of less than a pixel in width or height left out");
  if (c.passed_over > 0)
    text += cat("; ", number(c.passed_over, "box", "boxes"), " passed over as difficult or truncated");
  if (c.clipped > 0) text += cat("; ", number(c.clipped, "box", "boxes"), " clipped by at most a pixel");
  if (c.turned > 0)
    text += cat("; ", number(c.turned, "box", "boxes"), " turned to stored pixels (EXIF orientation)");
  return text;
}

}  // namespace gadolin
