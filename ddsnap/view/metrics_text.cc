#include "ddsnap/view/metrics_text.h"

#include <fmt/format.h>

#include <functional>

#include "ddsnap/view/plain_words.h"

namespace ddsnap {

namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result;
}

std::string volume_label(const VolumeFacts& facts) {
  return fmt::format("volume=\"{}\"", escaped(facts.volume.name));
}

// One family of samples after the other, as both forms demand.
class FamilyWriter {
 public:
  explicit FamilyWriter(MetricsForm form) : form_(form) {}

  void gauge(const std::string& name, const std::string& help) { declare(name, "gauge", help); }
  void counter(const std::string& name, const std::string& help) {
    declare(form_ == MetricsForm::kOpenMetrics ? name : name + "_total", "counter", help);
    name_ = name + "_total";
  }
  void sample(const std::string& labels, std::uint64_t value) {
    text_ += fmt::format("{}{{{}}} {}\n", name_, labels, value);
  }
  std::string finish() {
    if (form_ == MetricsForm::kOpenMetrics) text_ += "# EOF\n";
    return std::move(text_);
  }

 private:
  void declare(const std::string& name, const char* type, const std::string& help) {
    name_ = name;
    text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }

  MetricsForm form_;
  std::string name_;
  std::string text_;
};

using Value = std::uint64_t (*)(const VolumeFacts&);
struct Family {
  const char* name;
  const char* help;
  Value value;
};

constexpr Family kGauges[] = {
    {"ddsnap_origin_size_bytes", "Size of the protected volume.",
     [](const VolumeFacts& f) { return f.status.origin_bytes; }},
    {"ddsnap_store_size_bytes", "Room for saved chunks in the snapstore.",
     [](const VolumeFacts& f) { return f.status.slots_total * f.chunk_bytes(); }},
    {"ddsnap_store_free_bytes", "Of that, what is free.",
     [](const VolumeFacts& f) { return f.status.slots_free * f.chunk_bytes(); }},
    {"ddsnap_metadata_size_bytes", "Room for metadata.",
     [](const VolumeFacts& f) { return f.status.metadata_bytes_total; }},
    {"ddsnap_metadata_used_bytes", "Of that, what is used.",
     [](const VolumeFacts& f) { return f.status.metadata_bytes_used; }},
    {"ddsnap_store_state",
     "0 works, 1 takes no new snapshots, 2 snapshots lost (changes tracked), 3 closed.",
     [](const VolumeFacts& f) { return std::uint64_t{f.status.ladder}; }},
    {"ddsnap_lost_chunks", "Chunks of snapshots that are lost: damage.",
     [](const VolumeFacts& f) { return f.status.lost_chunks; }},
    {"ddsnap_warnings", "Sentences of warning in the status now.",
     [](const VolumeFacts& f) { return std::uint64_t{f.status.warnings.size()}; }},
    {"ddsnap_server_start_timestamp_seconds", "When the server was started.",
     [](const VolumeFacts& f) { return f.events.started_ns / 1'000'000'000; }},
    {"ddsnap_newest_snapshot_timestamp_seconds",
     "When the newest snapshot was taken; 0: there is none.",
     [](const VolumeFacts& f) {
       return f.snapshots.empty() ? 0 : f.snapshots.back().created_ns / 1'000'000'000;
     }},
};

constexpr Family kCounters[] = {
    {"ddsnap_first_writes", "Chunks saved before their first write, since the server started.",
     [](const VolumeFacts& f) { return f.status.first_writes; }},
    {"ddsnap_batches", "Batches of copy-outs, one flush each, since the server started.",
     [](const VolumeFacts& f) { return f.status.batches; }},
    {"ddsnap_repeated_writes",
     "Writes and flushes of the snapstore that failed and went well when repeated.",
     [](const VolumeFacts& f) { return f.status.repeated_writes; }},
};

void add_single_values(std::span<const VolumeFacts> volumes, FamilyWriter& writer) {
  const auto add = [&](const Family& family) {
    for (const VolumeFacts& facts : volumes)
      if (!facts.unreachable) writer.sample(volume_label(facts), family.value(facts));
  };
  for (const Family& family : kGauges) {
    writer.gauge(family.name, family.help);
    add(family);
  }
  for (const Family& family : kCounters) {
    writer.counter(family.name, family.help);
    add(family);
  }
}

void add_events(std::span<const VolumeFacts> volumes, FamilyWriter& writer) {
  writer.counter("ddsnap_events", "Lines of the server's log, since the server started.");
  for (const VolumeFacts& facts : volumes) {
    if (facts.unreachable) continue;
    writer.sample(volume_label(facts) + ",level=\"warning\"", facts.events.warnings);
    writer.sample(volume_label(facts) + ",level=\"error\"", facts.events.errors);
  }
}

void add_counts(std::span<const VolumeFacts> volumes, FamilyWriter& writer) {
  writer.gauge("ddsnap_snapshots", "Snapshots and bookmarks.");
  for (const VolumeFacts& facts : volumes) {
    if (facts.unreachable) continue;
    for (const auto& [state, label] :
         {std::pair(BoundaryState::kLive, "kept"), std::pair(BoundaryState::kBookmark, "bookmark"),
          std::pair(BoundaryState::kDropped, "given_up")}) {
      std::uint64_t count = 0;
      for (const SnapshotEntry& one : facts.snapshots) count += one.state == state ? 1 : 0;
      writer.sample(fmt::format("{},state=\"{}\"", volume_label(facts), label), count);
    }
  }
  writer.gauge("ddsnap_targets", "Attached devices of the origin and of snapshots.");
  for (const VolumeFacts& facts : volumes) {
    if (facts.unreachable) continue;
    writer.sample(volume_label(facts) + ",state=\"present\"", facts.status.targets_present);
    writer.sample(volume_label(facts) + ",state=\"missing\"", facts.status.targets_absent);
  }
}

using CopyValue = std::uint64_t (*)(const CopyFacts&);

void add_copies(std::span<const VolumeFacts> volumes, FamilyWriter& writer, const char* name,
                const char* help, CopyValue value) {
  writer.gauge(name, help);
  for (const VolumeFacts& facts : volumes)
    for (const CopyFacts& copy : facts.copies)
      if (!copy.label.empty())
        writer.sample(fmt::format("{},target=\"{}\"", volume_label(facts), escaped(copy.label)),
                      value(copy));
}

std::uint64_t not_negative(std::int64_t value) {
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

void add_replication(std::span<const VolumeFacts> volumes, FamilyWriter& writer) {
  add_copies(volumes, writer, "ddsnap_copy_timestamp_seconds",
             "When the snapshot was taken that the target holds a copy of; 0: there is none.",
             [](const CopyFacts& copy) { return not_negative(copy.made_s); });
  add_copies(volumes, writer, "ddsnap_copy_period_seconds", "How often the target is due.",
             [](const CopyFacts& copy) { return std::uint64_t{copy.period_s}; });
  add_copies(volumes, writer, "ddsnap_copy_success_timestamp_seconds",
             "When the last run for the target went well; 0: never.",
             [](const CopyFacts& copy) { return not_negative(copy.last_success_s); });
  add_copies(
      volumes, writer, "ddsnap_copy_failed", "1: the last run for the target failed.",
      [](const CopyFacts& copy) { return std::uint64_t{copy.last_error.empty() ? 0u : 1u}; });
}

}  // namespace

std::string metrics_text(std::span<const VolumeFacts> volumes, MetricsForm form) {
  FamilyWriter writer(form);
  writer.gauge("ddsnap_up", "1: the volume's server answers.");
  for (const VolumeFacts& facts : volumes)
    writer.sample(volume_label(facts), facts.unreachable ? 0 : 1);
  add_single_values(volumes, writer);
  add_counts(volumes, writer);
  add_events(volumes, writer);
  add_replication(volumes, writer);
  return writer.finish();
}

}  // namespace ddsnap
