#include "data/sets/boxes/join.h"

#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {

std::unique_ptr<DetectionSet> joined(const DetectionSet& a, const DetectionSet& b) {
  require<DataError>(a.classes() == b.classes(), "boxes: ", printable(a.root()), " has ", a.num_classes(),
                     " classes and ", printable(b.root()), " ", b.num_classes(),
                     ", or others; give both the same --class-file");
  DetectionSet::Content content;
  std::vector<SampleInfo> samples;
  for (const DetectionSet* set : {&a, &b}) {
    const int files = static_cast<int>(content.files.size());
    for (std::int64_t i = 0; i < set->size(); ++i) {
      MarkedPicture picture = set->picture(i);
      SampleInfo info = set->info(i);
      picture.origin.file += files;
      for (MarkedBox& box : picture.boxes) box.origin.file += files;
      info.record = picture.id = std::ssize(content.pictures);
      samples.push_back(std::move(info));
      content.pictures.push_back(std::move(picture));
    }
    content.files.insert(content.files.end(), set->files().begin(), set->files().end());
    content.notes.insert(content.notes.end(), set->notes().begin(), set->notes().end());
    BoxCounts &all = content.counts, more = set->counts();
    all.rows += more.rows;
    all.boxes += more.boxes;
    all.wrong += more.wrong;
    all.thin += more.thin;
    all.passed_over += more.passed_over;
    all.clipped += more.clipped;
    all.turned += more.turned;
  }
  content.class_ids = a.class_ids();
  return std::make_unique<DetectionSet>(a.classes(), std::move(samples), a.root(), std::move(content));
}

}  // namespace gadolin
