// A user's own header under a name that Gadolin's tree has too.
#pragma once

inline constexpr double users_own = 6;
