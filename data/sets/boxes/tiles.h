// Films in tiles: parts of one size that overlap, each a picture of its own, for films too large for a net.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/sets/boxes/detection_set.h"

namespace gadolin {

struct TileOptions {
  int side = 0;          // pixels; 0: no tiles
  double overlap = 0.2;  // at least this share of a tile lies in the next one
  double least = 0.5;    // of a box: what is left of it in a tile is learnt from this share of its area on
  bool operator==(const TileOptions&) const = default;
};
// "1024" or "1024:0.25", side and overlap, and back. Throws UsageError, beginning with `what`.
TileOptions tiles_from(const std::string& text, const std::string& what);
std::string text_of(const TileOptions& options);

// The tiles of a picture, row by row: of `side` x `side`, or of the picture's own width or height where that
// is less; evenly spread, the last ones at the edges.
std::vector<Box> tiles_of(int width, int height, const TileOptions& options);

// Every tile of every picture of a set as a sample of its own, "film.png tile 3", with the boxes in it. A box
// of which less than `least` is in a tile is marked as a crowd there: nothing is learnt of it and nothing
// counted. Patients and splits are those of the films. The set need not outlive it.
class TiledSet : public DetectionSet {
 public:
  TiledSet(const DetectionSet& set, const TileOptions& options);
  // Of a set without boxes.
  TiledSet(const Dataset& set, std::int64_t i, int width, int height, const TileOptions& options);
  StoredImage read(std::int64_t i) const override;
  // The set that it was made of. Throws ValueError where that has no boxes.
  const DetectionSet& films() const;
  const Box& tile(std::int64_t i) const { return tiles_[static_cast<std::size_t>(info(i).record)]; }

 protected:
  std::unique_ptr<Dataset> clone() const override { return std::make_unique<TiledSet>(*this); }

 private:
  struct Parts;
  TiledSet(const Dataset& films, Parts parts);
  struct LastFilm;
  std::shared_ptr<const Dataset> films_;
  std::vector<Box> tiles_;
  std::vector<std::int64_t> film_;
  std::shared_ptr<LastFilm> last_;
};

}  // namespace gadolin
