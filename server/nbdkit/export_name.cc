#include "server/nbdkit/export_name.h"

#include "ddsnap/wire/messages.h"

namespace ddsnap {

Result<ExportName> ExportName::parse(std::string_view text) {
  if (text.empty() || text == "origin") return ExportName{Kind::kOrigin, {}, {}};
  ExportName name;
  const std::size_t dots = text.find("..");
  name.kind = dots == text.npos ? Kind::kSnapshot : Kind::kDifference;
  name.tag = dots == text.npos ? text : text.substr(dots + 2);
  if (const Status tag = check_tag(name.tag); !tag) return with_context(text, tag.error());
  if (name.kind == Kind::kSnapshot) return name;
  name.from_tag = text.substr(0, dots);
  if (const Status tag = check_tag(name.from_tag); !tag) return with_context(text, tag.error());
  return name;
}

}  // namespace ddsnap
