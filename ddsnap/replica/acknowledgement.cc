#include "ddsnap/replica/acknowledgement.h"

#include <nlohmann/json.hpp>

namespace ddsnap {

using Json = nlohmann::ordered_json;

std::string encode_acknowledgement(const Acknowledgement& acknowledgement) {
  Json held = Json::array();
  const auto& all = acknowledgement.held;
  const std::size_t first = all.size() > kMaxAcknowledged ? all.size() - kMaxAcknowledged : 0;
  for (std::size_t i = first; i < all.size(); ++i) held.push_back(all[i].to_string());
  return Json{{"version", 1},
              {"written_s", acknowledgement.written_s},
              {"problem", acknowledgement.problem},
              {"held", held}}
             .dump(1) +
         "\n";
}

Result<Acknowledgement> decode_acknowledgement(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    if (json.at("version").get<int>() != 1)
      return fail(ErrorCode::kVersion, "acknowledgement of another version of ddsnap");
    Acknowledgement found{.written_s = json.at("written_s").get<std::int64_t>(),
                          .problem = json.at("problem").get<std::string>()};
    for (const Json& one : json.at("held"))
      found.held.push_back(DD_TRY(Uuid::parse(one.get<std::string>())));
    return found;
  } catch (const nlohmann::json::exception&) {
    return fail(ErrorCode::kDamaged, "is no acknowledgement");
  }
}

}  // namespace ddsnap
