// What is known of volumes as metrics: Prometheus' text, for node_exporter's textfile collector, or
// OpenMetrics.
//
// Units     Base units as Prometheus wants them: bytes, seconds since 1970.
// Shape     METRICS.md names all of them. Both forms differ in how counters are declared and in the
//           last line.
// Threads   Plain functions.
// Source    Prometheus' exposition formats; OpenMetrics 1.0.
#pragma once

#include <span>
#include <string>

#include "ddsnap/view/volume_facts.h"

namespace ddsnap {

enum class MetricsForm { kPrometheus, kOpenMetrics };

inline constexpr const char* kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";
inline constexpr const char* kOpenMetricsType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

std::string metrics_text(std::span<const VolumeFacts> volumes, MetricsForm form);

}  // namespace ddsnap
