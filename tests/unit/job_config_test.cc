// The configuration of a volume: one that says everything, and each way of getting one wrong, which
// must be named.
#include "ddsnap/replica/job_config.h"

#include <gtest/gtest.h>

#include <sstream>

namespace ddsnap {
namespace {

Result<JobConfig> parse(const std::string& text) {
  std::istringstream stream(text);
  return parse_job_config(stream, "vol0");
}

TEST(JobConfig, SaysEverything) {
  const auto config = parse(R"(
; the volume of the shop
[volume]
server = /run/ddsnap/vol0.server
pre = pg_ctl backup start
freeze = /srv/shop, /srv/shop log
take-snapshots = no
origin = /dev/vg/data
snapstore = /dev/vg/snapshots
metadata = /dev/nvme0n1p3
device = dm

[keep]
hourly = 24
every 15m = 8

[target office]
transport = ssh
host = backup.example.org
remote = /run/ddsnap/vol0.server
period = 30m
rate-limit = 10M
resync = yes

[target cellar]
transport = tcp
host = cellar.example.org:4330
remote = vol0
key = /etc/ddsnap/cellar.key
audit = 24

[target usb-disk]
remote = /media/usb
backlog = 5
backlog-size = 3G

[inbox]
folder = /var/spool/ddsnap/vol0
archive = /srv/deltas
)");
  ASSERT_TRUE(config.has_value()) << config.error().text;
  EXPECT_EQ(config->server, "/run/ddsnap/vol0.server");
  EXPECT_EQ(config->state_folder, "/var/lib/ddsnap/vol0");
  EXPECT_EQ(config->pre, "pg_ctl backup start");
  EXPECT_EQ(config->local.origin, "/dev/vg/data");
  EXPECT_EQ(config->local.snapstore, "/dev/vg/snapshots");
  EXPECT_EQ(config->local.metadata, "/dev/nvme0n1p3");
  EXPECT_EQ(config->local.control, "/run/ddsnap/control");
  EXPECT_EQ(config->local.device, "dm");
  EXPECT_EQ(config->freeze, (std::vector<std::string>{"/srv/shop", "/srv/shop log"}));
  ASSERT_EQ(config->keep.size(), 2u);
  EXPECT_EQ(config->keep[1].period_s, 900u);
  ASSERT_EQ(config->targets.size(), 3u);
  EXPECT_EQ(config->targets[0].label, "office");
  EXPECT_EQ(config->targets[0].transport, TargetConfig::Transport::kSsh);
  EXPECT_EQ(config->targets[0].period_s, 1800u);
  EXPECT_EQ(config->targets[0].rate_limit_bytes, 10u << 20);
  EXPECT_TRUE(config->targets[0].resyncs);
  EXPECT_EQ(config->targets[0].audit_parts, 168u);
  EXPECT_EQ(config->targets[1].transport, TargetConfig::Transport::kTcp);
  EXPECT_EQ(config->targets[1].key, "/etc/ddsnap/cellar.key");
  EXPECT_EQ(config->targets[1].audit_parts, 24u);
  EXPECT_EQ(config->targets[2].label, "usb-disk");
  EXPECT_EQ(config->targets[2].transport, TargetConfig::Transport::kRsync);
  EXPECT_EQ(config->targets[2].backlog, 5u);
  EXPECT_EQ(config->targets[2].backlog_bytes, 3ull << 30);
  EXPECT_FALSE(config->takes_snapshots);
  EXPECT_EQ(config->inbox.folder, "/var/spool/ddsnap/vol0");
  EXPECT_EQ(config->inbox.archive, "/srv/deltas");
}

TEST(JobConfig, NamesWhatIsWrong) {
  const struct {
    const char* text;
    const char* named;
  } kWrong[] = {
      {"", "[volume] needs 'server'"},
      {"[volume]\nserver\n", "line 2"},
      {"[volume]\nserver = a\nserver = b\n", "line 3: duplicate key name"},
      {"[volume]\nservers = a\n",
       "[volume] knows no 'servers', but: control, device, freeze, metadata, origin, post, pre, "
       "server, "
       "snapstore, state, take-snapshots"},
      {"[volume]\nserver = a\norigin = /dev/sdb\n", "'origin' and 'snapstore' together"},
      {"[volume]\nserver = a\ndevice = usb\n", "'usb' is not one of"},
      {"[volume]\nserver = a\nfreeze = /srv/a, srv/b\n", "'srv/b' is no absolute path"},
      {"[volumes]\nserver = a\n", "'volumes' is not one of"},
      {"[volume]\nserver = a\n[keep]\nhourly = many\n", "[keep] hourly: 'many' is no number"},
      {"[volume]\nserver = a\n[keep]\nevery 0m = 3\n", "'0m' is no time"},
      {"[volume]\nserver = a\n[keep]\nmaybe = 3\n", "[keep] maybe: not one of"},
      {"[volume]\nserver = a\n[target x]\nhost = h\n", "[target x] needs 'remote'"},
      {"[volume]\nserver = a\n[target x]\nremote = r\ntransport = pigeon\n",
       "'pigeon' is not one of"},
      {"[volume]\nserver = a\n[target x]\nremote = r\nperiod = soon\n",
       "[target x] period: 'soon' is no time"},
      {"[volume]\nserver = a\n[target x]\nremote = r\ntransport = tcp\n", "needs 'host'"},
      {"[volume]\nserver = a\n[target x]\nremote = r\naudit = all\n", "[target x] audit: 'all'"},
      {"[volume]\nserver = a\n[target x/y]\nremote = r\n", "a label has letters"},
      {"[volume]\nserver = a\n[target x]\nremote = it's\n", "has a quote in it"},
      {"[volume]\nserver = a\n[target x]\nremote = r\ntransport = ssh\n", "needs 'host'"},
      {"[volume]\nserver = a\n[target x]\nremote = r\nkey = k\n", "'key' means nothing"},
      {"[volume]\nserver = a\n[target x]\nremote = r$HOME\n", "has a quote"},
      {"[volume]\nserver = a\n[target x]\nremote = r\nresync = 1\n", "not yes or no"},
      {"[volume]\nserver = a\n[target x]\nremote = r\nbacklog = 0\n", "at least one delta"},
      {"[volume]\nserver = a\n[target x]\nremote = r\ntransport = ssh\nhost = h\nbacklog = 2\n",
       "'backlog' means nothing"},
      {"[volume]\nserver = a\n[inbox]\narchive = r\n", "[inbox] needs 'folder'"},
  };
  for (const auto& wrong : kWrong) {
    const auto config = parse(wrong.text);
    ASSERT_FALSE(config.has_value()) << wrong.text;
    EXPECT_EQ(config.error().code, ErrorCode::kUsage);
    EXPECT_NE(config.error().text.find(wrong.named), std::string::npos) << config.error().text;
  }
}

TEST(JobConfig, DurationsHaveUnitsAndBounds) {
  EXPECT_EQ(parse_duration_s("90").value(), 90u);
  EXPECT_EQ(parse_duration_s("7d").value(), 604'800u);
  for (const char* text : {"", "m", "-1m", "1w", "1.5h", "0", "100000000d"})
    EXPECT_FALSE(parse_duration_s(text).has_value()) << text;
}

TEST(JobConfig, AFileThatIsNotThereIsNamed) {
  const auto missing = load_job_config("/nowhere", "vol0");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message().find("/nowhere/vol0.conf"), std::string::npos);
  EXPECT_EQ(load_job_config("/etc", "../passwd").error().code, ErrorCode::kUsage);
}

}  // namespace
}  // namespace ddsnap
