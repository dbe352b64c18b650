// The open exports: one target each, shared by all connections that name it.
//
// Errors    acquire(): as open_export(); nothing is kept then.
// Threads   Any. Opening one export delays no other.
// Lifetime  An Export lives while some Lease to it does; the last one detaches its target.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "server/nbdkit/export.h"

namespace ddsnap {

class ExportRegistry {
 public:
  explicit ExportRegistry(PluginSettings settings) : settings_(std::move(settings)) {}

  class Lease;
  Result<std::unique_ptr<Lease>> acquire(const std::string& name);

 private:
  struct Entry {
    std::mutex opening;
    std::unique_ptr<Export> target;  // under opening
    unsigned leases = 0;             // under opening
    unsigned visitors = 0;           // under the registry's mutex
  };
  using Entries = std::map<std::string, Entry>;

  Entries::iterator enter(const std::string& key);
  void leave(Entries::iterator entry);
  void release(Entries::iterator entry);

  const PluginSettings settings_;
  std::mutex mutex_;
  Entries entries_;  // under mutex_
};

class ExportRegistry::Lease {
 public:
  ~Lease() { registry_.release(entry_); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  Export& operator*() const { return export_; }
  Export* operator->() const { return &export_; }

 private:
  friend class ExportRegistry;
  Lease(ExportRegistry& registry, Entries::iterator entry)
      : registry_(registry), entry_(entry), export_(*entry->second.target) {}

  ExportRegistry& registry_;
  const Entries::iterator entry_;
  Export& export_;
};

}  // namespace ddsnap
