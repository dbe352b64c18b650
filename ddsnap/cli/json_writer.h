// Writes JSON piece by piece, for output that is too large to be put together in memory first.
//
// Shape     Objects and arrays of the upper levels are opened and closed; a value is one line.
// Errors    Whether standard output took it is asked once, at the end of the program.
// Threads   None inside.
// Lifetime  Borrows the file.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace ddsnap {

class JsonWriter {
 public:
  explicit JsonWriter(std::FILE* file) : file_(file) {}

  // Within an object everything has a key, within an array nothing has.
  void begin_object(std::string_view key = {}) { begin(key, '{', '}'); }
  void begin_array(std::string_view key = {}) { begin(key, '[', ']'); }
  void end();
  void value(std::string_view key, const nlohmann::ordered_json& value);
  void value(const nlohmann::ordered_json& element) { value({}, element); }

 private:
  void begin(std::string_view key, char open, char close);
  void next_line(std::string_view key);

  struct Level {
    char close;
    bool is_empty = true;
  };
  std::FILE* file_;
  std::vector<Level> levels_;
};

}  // namespace ddsnap
