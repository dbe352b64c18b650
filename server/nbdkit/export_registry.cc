#include "server/nbdkit/export_registry.h"

namespace ddsnap {

ExportRegistry::Entries::iterator ExportRegistry::enter(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.try_emplace(key).first;
  ++entry->second.visitors;
  return entry;
}

void ExportRegistry::leave(Entries::iterator entry) {
  const std::lock_guard lock(mutex_);
  if (--entry->second.visitors == 0) entries_.erase(entry);
}

Result<std::unique_ptr<ExportRegistry::Lease>> ExportRegistry::acquire(const std::string& name) {
  const ExportName parsed = DD_TRY(ExportName::parse(name));
  const bool is_origin = parsed.kind == ExportName::Kind::kOrigin;
  const auto entry = enter(is_origin ? std::string("origin") : name);
  Status status;
  {
    const std::lock_guard lock(entry->second.opening);
    if (!entry->second.target) {
      auto opened = open_export(settings_, parsed);
      if (opened)
        entry->second.target = std::move(*opened);
      else
        status = std::unexpected(opened.error());
    }
    if (status) {
      ++entry->second.leases;
      return std::unique_ptr<Lease>(new Lease(*this, entry));
    }
  }
  leave(entry);
  return std::unexpected(status.error());
}

void ExportRegistry::release(Entries::iterator entry) {
  {
    const std::lock_guard lock(entry->second.opening);
    if (--entry->second.leases == 0) entry->second.target.reset();
  }
  leave(entry);
}

}  // namespace ddsnap
