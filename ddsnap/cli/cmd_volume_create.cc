#include <fmt/format.h>

#include <cstdio>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/attachment.h"
#include "ddsnap/cli/device_content.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/steady_name.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/volume_setup.h"

namespace ddsnap {

namespace {

struct Options {
  VolumeWish wish;
  std::string chunk, journal;
  bool only_receives = false;
};

void declare(ArgumentParser& parser, Options& options) {
  LocalVolumeConfig& local = options.wish.local;
  parser.text_option("--origin", "DEV", local.origin, kOriginHelp);
  parser.text_option("--snapstore", "DEV", local.snapstore, kSnapstoreHelp);
  parser.text_option("--metadata", "DEV", local.metadata, kMetadataHelp);
  parser.text_option("-c,--chunk", "SIZE", options.chunk, "As 'ddsnap initialize' has it");
  parser.text_option("-j,--journal", "SIZE", options.journal, "As 'ddsnap initialize' has it");
  parser.text_option("--how", "dm|nbdfuse|auto", local.device,
                     "How /dev/mapper/NAME comes about (auto: by the kernel target where there is "
                     "one, else by nbdkit, nbdfuse and a loop device)");
  parser.flag("--receive-only", options.only_receives,
              "No device: a volume whose snapshots come from another host");
  parser.flag("--force", options.wish.is_forced,
              "Overwrite what lies on the snapstore; take the origin as it is");
  parser.flag("--dry-run", options.wish.is_dry_run, "Check everything, write nothing");
  parser.text_option("--config", "DIR", options.wish.config_folder,
                     "Folder of the configurations (default /etc/ddsnap; in another one no units "
                     "are used)");
  parser.text_option("--fstab", "FILE", options.wish.fstab, "Looked through (default /etc/fstab)");
}

// Devices by names that stay; told where there is none.
void make_steady(std::string& path) {
  if (path.empty()) return;
  const SteadyName name = steady_name_of(path);
  if (!name.is_steady)
    fmt::print(stderr,
               "ddsnap: {}: may be called otherwise after a boot; there is no link to it in "
               "/dev/disk\n",
               path);
  path = name.path;
}

// By its name, where every verb looks for that.
void tell_next_steps(const JobConfig& config, const VolumeServices& services,
                     bool is_found_by_name) {
  const std::string& name = is_found_by_name ? config.name : config.server;
  fmt::print("origin     {}\nsnapstore  {}\nserver     {}\n", config.local.origin,
             config.local.snapstore, config.server);
  if (config.local.device == "none") {
    fmt::print("\nIt receives by:  ddsnap receive {}\n", name);
    return;
  }
  const std::string device = device_of_volume(config);
  fmt::print("device     {}\n\n", device);
  fmt::print("Use {} from now on, never the origin itself.\n", device);
  const DeviceContent content = content_of_device(config.local.origin).value_or(DeviceContent{});
  if (content.kind.empty()) fmt::print("A file system:   mkfs.ext4 {}\n", device);
  if (services.starts_at_boot() && (content.kind.empty() || content.usage == "filesystem"))
    fmt::print("In /etc/fstab:   {} /srv/{} {} defaults 0 2\n", device, config.name,
               content.kind.empty() ? "ext4" : content.kind);
  if (services.starts_at_boot())
    fmt::print("It comes back at each boot by itself.\n");
  else
    fmt::print("After a boot:    ddsnap volume start {}\n", config.name);
  fmt::print("A snapshot:      ddsnap create {} monday\n", name);
  fmt::print("What it held:    ddsnap mount {} monday /mnt\n", name);
}

}  // namespace

Result<int> cmd_volume_create(Arguments arguments) {
  Options options;
  options.wish.local.control = run_folder() + "/control";
  ArgumentParser parser(
      {.name = "volume create",
       .usage = "--origin DEV --snapstore DEV [--metadata DEV] [OPTIONS] NAME",
       .summary =
           "Makes a volume: writes an empty snapstore and DIR/NAME.conf, starts the volume's\n"
           "server now and at each boot, and makes /dev/mapper/NAME. The origin keeps what it\n"
           "holds. What would be lost is told, and nothing is done; a failure half-way is "
           "undone."});
  declare(parser, options);
  parser.object("NAME", options.wish.name, "What the volume is called");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  VolumeWish& wish = options.wish;
  if (wish.local.origin.empty() || wish.local.snapstore.empty())
    return fail(ErrorCode::kUsage,
                "volume create: --origin and --snapstore are wanted; see 'ddsnap volume create "
                "--help'");
  if (wish.local.device != "auto" && wish.local.device != "dm" && wish.local.device != "nbdfuse")
    return fail(ErrorCode::kUsage, "--how is dm, nbdfuse or auto");
  if (options.only_receives) wish.local.device = "none";
  if (!options.chunk.empty()) wish.format.insert(wish.format.end(), {"-c", options.chunk});
  if (!options.journal.empty()) wish.format.insert(wish.format.end(), {"-j", options.journal});
  // Refusals are in the words that were typed.
  DD_TRY(check_new_volume(wish));
  for (std::string* path : {&wish.local.origin, &wish.local.snapstore, &wish.local.metadata})
    make_steady(*path);

  const auto services = make_volume_services(wish.config_folder);
  const JobConfig config = DD_TRY(create_volume(wish, *services));
  if (!wish.is_dry_run)
    tell_next_steps(config, *services, wish.config_folder == default_config_folder());
  return 0;
}

}  // namespace ddsnap
