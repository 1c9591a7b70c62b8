// Who sees which case: seeds of cases and questions, from a name that everybody knows or a secret that only
// the teacher has.
#pragma once

#include <filesystem>
#include <string>

#include "course/grader/draw.h"

namespace gadolin::course {

using Secret = Seed;

Seed hmac_sha256(const Seed& key, const std::string& message);  // RFC 2104
// SHA-256 of course, term and student.
Seed public_key(const std::string& term, const std::string& student);
// HMAC(key, assignment, task, student, number). `task` is "questions" for the sheet.
Seed seed_of(const Seed& key, int assignment, const std::string& task, const std::string& student,
             int number);

// Of what is drawn once for a student.
inline Seed student_seed(const std::string& term, const std::string& student, int assignment) {
  return seed_of(public_key(term, student), assignment, "student", student, 0);
}

Secret new_secret();                                    // 32 bytes of the system's generator
std::string secret_text(const Secret& secret);          // 64 digits
Secret parse_secret(const std::string& text);           // throws std::invalid_argument, and never quotes it
Secret read_secret(const std::filesystem::path& file);  // refuses a file that others may read

}  // namespace gadolin::course
