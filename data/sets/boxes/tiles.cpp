#include "data/sets/boxes/tiles.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <mutex>
#include <numeric>

#include "data/image/warp.h"
#include "io/text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

bool number_of(std::string_view text, double& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// Where tiles of one side begin.
std::vector<int> begins(int length, const TileOptions& o) {
  if (length <= o.side) return {0};
  const int step = std::max(1, static_cast<int>(o.side * (1 - o.overlap)));
  const int tiles = (length - o.side + step - 1) / step + 1;
  std::vector<int> all;
  for (int k = 0; k < tiles; ++k)
    all.push_back(static_cast<int>(std::llround(static_cast<double>(length - o.side) * k / (tiles - 1))));
  return all;
}

std::unique_ptr<Dataset> whole(const Dataset& set) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(set.size()));
  std::iota(all.begin(), all.end(), 0);
  return set.subset(all);
}

}  // namespace

TileOptions tiles_from(const std::string& text, const std::string& what) {
  TileOptions options;
  const std::size_t colon = text.find(':');
  double side = 0;
  const bool sound =
      number_of(std::string_view(text).substr(0, colon), side) && side >= 64 && side <= 16384 &&
      side == std::floor(side) &&
      (colon == std::string::npos || number_of(std::string_view(text).substr(colon + 1), options.overlap)) &&
      options.overlap >= 0 && options.overlap <= 0.9;
  require<UsageError>(sound, what, " ", printable(text),
                      " is none; use SIDE or SIDE:OVERLAP, such as 1024:0.2: 64 to 16384 pixels, and a share "
                      "from 0 to 0.9");
  options.side = static_cast<int>(side);
  return options;
}

std::string text_of(const TileOptions& o) { return cat(o.side, ":", exact_text(o.overlap)); }

std::vector<Box> tiles_of(int width, int height, const TileOptions& options) {
  std::vector<Box> all;
  for (const int y : begins(height, options))
    for (const int x : begins(width, options))
      all.push_back({x, y, std::min(width, options.side), std::min(height, options.side)});
  return all;
}

// What a set of tiles is made of.
struct TiledSet::Parts {
  std::vector<SampleInfo> samples;
  Content content;
  std::vector<Box> tiles;
  std::vector<std::int64_t> film;

  void add(const SampleInfo& info, std::int64_t i, const MarkedPicture& picture, const TileOptions& o) {
    int number = 0;
    for (const Box& tile : tiles_of(picture.width, picture.height, o)) {
      SampleInfo part = info;
      part.name += cat(" tile ", ++number);
      part.record = std::ssize(tiles);
      part.labels.clear();
      MarkedPicture seen = picture;
      seen.id = part.record;
      seen.width = seen.stated_width = tile.width;
      seen.height = seen.stated_height = tile.height;
      seen.boxes.clear();
      for (const MarkedBox& marked : picture.boxes) {
        const ObjectBox& b = marked.box;
        MarkedBox cut = marked;
        cut.box = {std::max(b.x1 - tile.x, 0.0), std::max(b.y1 - tile.y, 0.0),
                   std::min(b.x2 - tile.x, static_cast<double>(tile.width)),
                   std::min(b.y2 - tile.y, static_cast<double>(tile.height)), b.label};
        const double w = cut.box.x2 - cut.box.x1, h = cut.box.y2 - cut.box.y1;
        if (!(w > 0 && h > 0)) continue;
        cut.area = w * h;
        cut.crowd = cut.crowd || !(w * h >= o.least * (b.x2 - b.x1) * (b.y2 - b.y1));
        if (!cut.crowd) part.labels.push_back(b.label);
        seen.boxes.push_back(cut);
      }
      std::ranges::sort(part.labels);
      part.labels.erase(std::unique(part.labels.begin(), part.labels.end()), part.labels.end());
      samples.push_back(std::move(part));
      content.pictures.push_back(std::move(seen));
      tiles.push_back(tile);
      film.push_back(i);
    }
  }
};

// Tiles of a film are often asked for one after the other.
struct TiledSet::LastFilm {
  std::mutex mutex;
  std::int64_t film = -1;
  std::shared_ptr<const Image> image;
};

TiledSet::TiledSet(const Dataset& films, Parts parts)
    : DetectionSet(films.classes(), std::move(parts.samples), films.root(), std::move(parts.content)),
      films_(whole(films)), tiles_(std::move(parts.tiles)), film_(std::move(parts.film)),
      last_(std::make_shared<LastFilm>()) {}

TiledSet::TiledSet(const DetectionSet& set, const TileOptions& options)
    : TiledSet(set, [&] {
        Parts parts;
        for (std::int64_t i = 0; i < set.size(); ++i) parts.add(set.info(i), i, set.picture(i), options);
        parts.content.class_ids = set.class_ids();
        parts.content.notes = set.notes();
        parts.content.counts = set.counts();
        for (const std::string& file : set.files()) parts.content.files.push_back(file);
        return parts;
      }()) {}

TiledSet::TiledSet(const Dataset& set, std::int64_t i, int width, int height, const TileOptions& options)
    : TiledSet(*set.subset(std::vector<std::int64_t>{i}), [&] {
        Parts parts;
        MarkedPicture picture;
        picture.width = width;
        picture.height = height;
        parts.add(set.info(i), 0, picture, options);
        return parts;
      }()) {}

const DetectionSet& TiledSet::films() const {
  const auto* films = dynamic_cast<const DetectionSet*>(films_.get());
  require<ValueError>(films != nullptr, "tiles: the films have no boxes");
  return *films;
}

StoredImage TiledSet::read(std::int64_t i) const {
  const auto record = static_cast<std::size_t>(info(i).record);
  const std::int64_t film = film_[record];
  std::shared_ptr<const Image> image;
  {
    const std::lock_guard lock(last_->mutex);
    if (last_->film == film) image = last_->image;
  }
  if (!image) {
    image = std::make_shared<const Image>(films_->image(film));
    const std::lock_guard lock(last_->mutex);
    last_->film = film;
    last_->image = image;
  }
  return {{}, crop(*image, tiles_[record])};
}

}  // namespace gadolin
