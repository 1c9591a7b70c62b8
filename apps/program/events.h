// Events from process to process.
#pragma once

#include <string>

#include "io/json.h"

namespace gadolin {

// One JSON object a line on stdout where `print`, and into the pipe whose number stands in GADOLIN_EVENTS:
// there a pipeline reads what its steps did.
void emit_event(const Json& event, bool print);

// The error of another process of this program, from the event that it ended with ({"event": "error", ...})
// and its exit code, thrown as if it had happened here, with "place: " in front unless empty.
[[noreturn]] void throw_error_event(const Json& event, int exit, const std::string& place = "");

}  // namespace gadolin
