// Frames between the grader and a probe: a header of four numbers, then the payload.
#pragma once

#include <cstdint>
#include <string>

namespace gadolin::course {

struct FrameHeader {
  std::uint64_t length = 0;  // of the payload, at most largest_frame
  std::uint64_t number = 0;  // of the request; an answer repeats it
  std::uint64_t nonce = 0;   // drawn by the grader for each request; an answer repeats it
  std::uint64_t kind = 0;    // 1 request, 2 answer, 3 answer after which the probe ends
};
inline constexpr std::uint64_t largest_frame = std::uint64_t{64} << 20;

}  // namespace gadolin::course
