#include "tasks/contact_sheet.h"

#include <algorithm>
#include <cmath>

#include "tasks/draw_text.h"
#include "tensor/check.h"

namespace gadolin {
namespace {

constexpr int sheet_margin = 8, line_height = 12;

void paste(Image& sheet, const Image& picture, int left, int top) {
  for (int y = 0; y < picture.height; ++y)
    std::copy_n(picture.row<std::uint8_t>(y), picture.row_samples(),
                sheet.row<std::uint8_t>(top + y) + 3 * left);
}

}  // namespace

ContactSheet::ContactSheet(std::string title, int tile) : title_(std::move(title)), tile_(tile) {
  require<ValueError>(tile >= 16, "contact_sheet: a tile of ", tile, " pixels is too small; use 16 or more");
}

void ContactSheet::add(const Image& picture, std::span<const DrawnBox> boxes,
                       std::vector<std::string> words) {
  tiles_.push_back({drawn_small(picture, boxes, tile_), std::move(words)});
}

Image ContactSheet::image(int columns) const {
  const auto count = static_cast<int>(tiles_.size());
  std::size_t lines = 0;
  for (const Tile& tile : tiles_) lines = std::max(lines, tile.words.size());
  if (columns <= 0) columns = static_cast<int>(std::ceil(std::sqrt(count)));
  columns = std::clamp(columns, 1, std::max(1, count));
  const int rows = (count + columns - 1) / columns, step = tile_ + sheet_margin,
            tile_height = step + static_cast<int>(lines) * line_height + sheet_margin / 2,
            head = sheet_margin + (title_.empty() ? 0 : 2 * line_height + sheet_margin / 2);
  const std::string none = "none";
  const int width = std::max(sheet_margin + columns * step,
                             2 * sheet_margin + text_width(count == 0 ? none : "", 2)),
            height = head + (count == 0 ? 2 * line_height : rows * tile_height);
  Image sheet(width, height, 3);
  const Colour ground{0.11, 0.11, 0.12}, ink{0.92, 0.92, 0.92};
  fill_box(sheet, {0, 0, width, height}, ground);
  const int room = width - 2 * sheet_margin, dot = text_width(title_, 2) <= room ? 2 : 1;
  draw_text(sheet, sheet_margin, sheet_margin, shortened(title_, room, dot), ink, dot);
  if (count == 0) draw_text(sheet, sheet_margin, head, none, ink, 2);
  for (int i = 0; i < count; ++i) {
    const Tile& tile = tiles_[static_cast<std::size_t>(i)];
    const int left = sheet_margin + i % columns * step, top = head + i / columns * tile_height;
    fill_box(sheet, {left, top, tile_, tile_}, {0, 0, 0});
    paste(sheet, tile.picture, left + (tile_ - tile.picture.width) / 2,
          top + (tile_ - tile.picture.height) / 2);
    for (std::size_t k = 0; k < tile.words.size(); ++k)
      draw_text(sheet, left, top + tile_ + sheet_margin / 2 + static_cast<int>(k) * line_height,
                shortened(tile.words[k], tile_), ink);
  }
  return sheet;
}

}  // namespace gadolin
