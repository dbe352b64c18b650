#include "ddsnap/cli/json_writer.h"

#include <fmt/format.h>

#include <string>

namespace ddsnap {

namespace {

// Texts come from devices and need not be UTF-8.
std::string to_text(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

void JsonWriter::next_line(std::string_view key) {
  if (levels_.empty()) return;
  fmt::print(file_, "{}\n{:{}}", levels_.back().is_empty ? "" : ",", "", 2 * levels_.size());
  levels_.back().is_empty = false;
  if (!key.empty()) fmt::print(file_, "{}: ", to_text(std::string(key)));
}

void JsonWriter::begin(std::string_view key, char open, char close) {
  next_line(key);
  fmt::print(file_, "{}", open);
  levels_.push_back({close});
}

void JsonWriter::end() {
  const Level level = levels_.back();
  levels_.pop_back();
  if (!level.is_empty) fmt::print(file_, "\n{:{}}", "", 2 * levels_.size());
  fmt::print(file_, "{}", level.close);
  if (levels_.empty()) fmt::print(file_, "\n");
}

void JsonWriter::value(std::string_view key, const nlohmann::ordered_json& value) {
  next_line(key);
  fmt::print(file_, "{}", to_text(value));
}

}  // namespace ddsnap
