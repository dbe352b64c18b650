// Metrics as a parser of the format would take them: every sample belongs to the family declared
// last, names and labels are well-formed, nothing is declared or said twice; both forms, volumes
// that do not answer, and texts that would break a line.
#include "ddsnap/view/metrics_text.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "tests/support/volume_sample.h"

namespace ddsnap::test {
namespace {

struct Parsed {
  std::map<std::string, std::string> values;  // by sample as it is written, labels included
  std::map<std::string, std::string> types;   // by family
  bool has_end = false;
};

Parsed parse(const std::string& text, MetricsForm form) {
  static const std::regex sample_form(
      R"re(([a-z_]+)\{([a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*)\} ([0-9]+))re");
  Parsed parsed;
  std::istringstream lines(text);
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_FALSE(parsed.has_end) << "something after the end";
    if (line == "# EOF") {
      parsed.has_end = true;
    } else if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_FALSE(parsed.types.contains(family)) << family << " is declared twice";
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(line.starts_with("# TYPE " + family + " ")) << line;
      parsed.types[family] = line.substr(8 + family.size());
    } else {
      std::smatch match;
      if (!std::regex_match(line, match, sample_form)) {
        ADD_FAILURE() << "no sample: " << line;
        continue;
      }
      const bool has_suffix =
          form == MetricsForm::kOpenMetrics && parsed.types[family] == "counter";
      EXPECT_EQ(match[1], has_suffix ? family + "_total" : family);
      EXPECT_TRUE(
          parsed.values.emplace(match[1].str() + "{" + match[2].str() + "}", match[3]).second)
          << "said twice: " << line;
    }
  }
  return parsed;
}

TEST(MetricsText, TellsASampleVolume) {
  const std::vector<VolumeFacts> volumes = {sample_volume()};
  const Parsed parsed =
      parse(metrics_text(volumes, MetricsForm::kPrometheus), MetricsForm::kPrometheus);
  EXPECT_FALSE(parsed.has_end);
  const auto value = [&](const std::string& sample) { return parsed.values.at(sample); };
  EXPECT_EQ(value(R"(ddsnap_up{volume="vol0"})"), "1");
  EXPECT_EQ(value(R"(ddsnap_store_free_bytes{volume="vol0"})"), std::to_string(16384 << 14));
  EXPECT_EQ(value(R"(ddsnap_first_writes_total{volume="vol0"})"), "16000");
  EXPECT_EQ(value(R"(ddsnap_snapshots{volume="vol0",state="kept"})"), "2");
  EXPECT_EQ(value(R"(ddsnap_snapshots{volume="vol0",state="given_up"})"), "1");
  EXPECT_EQ(value(R"(ddsnap_targets{volume="vol0",state="missing"})"), "1");
  EXPECT_EQ(value(R"(ddsnap_copy_timestamp_seconds{volume="vol0",target="office"})"),
            std::to_string(kSampleNow_s - 10'800));
  EXPECT_EQ(value(R"(ddsnap_copy_failed{volume="vol0",target="office"})"), "1");
  EXPECT_EQ(parsed.types.at("ddsnap_first_writes_total"), "counter");
}

TEST(MetricsText, OpenMetricsDeclaresCountersByTheirFamilyAndEnds) {
  const std::vector<VolumeFacts> volumes = {sample_volume()};
  const Parsed parsed =
      parse(metrics_text(volumes, MetricsForm::kOpenMetrics), MetricsForm::kOpenMetrics);
  EXPECT_TRUE(parsed.has_end);
  EXPECT_EQ(parsed.types.at("ddsnap_first_writes"), "counter");
  EXPECT_TRUE(parsed.values.contains(R"(ddsnap_first_writes_total{volume="vol0"})"));
}

TEST(MetricsText, AVolumeThatDoesNotAnswerIsDownAndItsCopiesAreTold) {
  std::vector<VolumeFacts> volumes = {sample_volume(), sample_volume()};
  volumes[1].volume.name = "vol1";
  volumes[1].unreachable = Error{.text = "gone"};
  const Parsed parsed =
      parse(metrics_text(volumes, MetricsForm::kPrometheus), MetricsForm::kPrometheus);
  EXPECT_EQ(parsed.values.at(R"(ddsnap_up{volume="vol0"})"), "1");
  EXPECT_EQ(parsed.values.at(R"(ddsnap_up{volume="vol1"})"), "0");
  EXPECT_FALSE(parsed.values.contains(R"(ddsnap_store_free_bytes{volume="vol1"})"));
  EXPECT_TRUE(parsed.values.contains(R"(ddsnap_copy_failed{volume="vol1",target="office"})"));
}

TEST(MetricsText, NamesCannotBreakALine) {
  std::vector<VolumeFacts> volumes = {sample_volume()};
  volumes[0].volume.name = "a\"b\\c\nd";
  const Parsed parsed =
      parse(metrics_text(volumes, MetricsForm::kPrometheus), MetricsForm::kPrometheus);
  EXPECT_TRUE(parsed.values.contains(R"(ddsnap_up{volume="a\"b\\c\nd"})"));
}

}  // namespace
}  // namespace ddsnap::test
