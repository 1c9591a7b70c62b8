// Cases of the teacher's own, from outside the repository.
#include <algorithm>
#include <stdexcept>

#include "course/grader/diagnosis.h"
#include "course/grader/teachers.h"
#include "course/grader/toml.h"

namespace gadolin::course {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void misfit(const TomlTable& table, const std::string& what) {
  throw std::invalid_argument(table.file + ":" + std::to_string(table.line) + ": " + what);
}

std::int64_t whole_number(const TomlTable& table, const std::string& key, double value) {
  const auto n = static_cast<std::int64_t>(value);
  if (static_cast<double>(n) != value) misfit(table, "'" + key + "' holds whole numbers");
  return n;
}

// The value under `key`, of the type that `value` has.
void set_value(const TomlTable& table, const std::string& key, Value& value) {
  if (auto* one = std::get_if<std::string>(&value)) {
    *one = table.text(key);
    return;
  }
  const std::vector<double> numbers = table.numbers(key);
  const auto single = [&] {
    if (numbers.size() != 1) misfit(table, "'" + key + "' is one number");
    return numbers[0];
  };
  if (auto* integer = std::get_if<std::int64_t>(&value)) {
    *integer = whole_number(table, key, single());
  } else if (auto* real = std::get_if<double>(&value)) {
    *real = single();
  } else if (auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
    list->clear();
    for (const double n : numbers) list->push_back(whole_number(table, key, n));
  } else if (auto* array = std::get_if<Array>(&value)) {
    array->numbers = numbers;
    if (const std::string shape = key + "_shape"; table.has(shape)) {
      array->shape.clear();
      for (const double n : table.numbers(shape)) array->shape.push_back(whole_number(table, shape, n));
    }
    std::int64_t count = 1;
    for (const std::int64_t n : array->shape) count *= n;
    if (count != static_cast<std::int64_t>(numbers.size()))
      misfit(table, "'" + key + "' has " + std::to_string(numbers.size()) + " numbers, its shape " +
                        std::to_string(count) + "; give " + key + "_shape");
  }
}

Case case_in(const Course& course, const Task& task, const TomlTable& table) {
  const std::vector<double> like = table.numbers("like");
  if (like.size() != 1 || !(like[0] >= 0 && like[0] < task.publics))
    misfit(table, "like = 0 to " + std::to_string(task.publics - 1) + " names the public case to begin with");
  Case one = case_of(course, task, {}, static_cast<int>(like[0]));
  one.what = table.text("what");
  one.traits.clear();
  for (const auto& [key, item] : table.items) {
    if (key == "task" || key == "like" || key == "what" || key.ends_with("_shape")) continue;
    const auto at = one.request.find(key);
    if (at == one.request.end()) {
      std::string known;
      for (const auto& [name, value] : one.request) known += (known.empty() ? "" : ", ") + name;
      misfit(table, "the request has no '" + key + "'; it has " + known);
    }
    set_value(table, key, at->second);
  }
  return one;
}

}  // namespace

void add_extra_cases(Course& course, const fs::path& folder) {
  if (!fs::is_directory(folder)) throw std::invalid_argument(folder.string() + ": no folder with cases");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::map<std::string, std::vector<Case>> extra;
  for (const fs::path& file : files) {
    for (const TomlTable& table : read_toml(file)) {
      if (table.name.empty() && table.items.empty()) continue;
      if (table.name != "case") misfit(table, "the list holds [[case]] alone");
      const std::string id = table.text("task");
      const auto& tasks = course.assignment.tasks;
      const auto of =
          std::find_if(tasks.begin(), tasks.end(), [&](const Task& t) { return t.id == id && !t.inspect; });
      if (of == tasks.end()) misfit(table, "no task '" + id + "' with cases");
      extra[id].push_back(case_in(course, *of, table));
    }
  }
  if (extra.empty()) throw std::invalid_argument(folder.string() + ": holds no *.toml with a [[case]]");
  for (Task& task : course.assignment.tasks) {
    const auto at = extra.find(task.id);
    if (at == extra.end()) continue;
    const int first = task.publics, count = static_cast<int>(at->second.size());
    task.publics += count;
    task.draw = [=, own = at->second, drawn = task.draw](int number, Draw& draw) {
      if (number < first) return drawn(number, draw);
      if (number >= first + count) return drawn(number - count, draw);
      return own[static_cast<std::size_t>(number - first)];
    };
  }
}

}  // namespace gadolin::course
