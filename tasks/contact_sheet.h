// Many small pictures on one: what people look at instead of reading a table.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tasks/draw_boxes.h"

namespace gadolin {

// A grid of pictures with words below each, on one 8-bit colour picture. What is added is shrunk at once, so
// that a sheet of large films costs the memory of a sheet.
class ContactSheet {
 public:
  // Each picture gets `tile` x `tile` pixels. Throws ValueError for less than 16.
  explicit ContactSheet(std::string title = "", int tile = 300);
  // `boxes` in pixels of `picture`; lines are as thick as the tile asks. `words`: lines below it, shortened
  // to its width.
  void add(const Image& picture, std::span<const DrawnBox> boxes, std::vector<std::string> words);
  std::size_t size() const { return tiles_.size(); }  // pictures so far
  // `columns`: 0: about as wide as high. With no picture: the title and the word "none".
  Image image(int columns = 0) const;

 private:
  struct Tile {
    Image picture;
    std::vector<std::string> words;
  };
  std::string title_;
  int tile_;
  std::vector<Tile> tiles_;
};

}  // namespace gadolin
