// What --help says of the objects and options that many verbs have: said once, in the same words.
#pragma once

namespace ddsnap {

inline constexpr const char* kServerHelp = "A volume's name, or the socket of its server";
inline constexpr const char* kTagHelp = "What the snapshot is called";
inline constexpr const char* kJsonHelp = "Print JSON";
inline constexpr const char* kDeviceHelp =
    "A path, nbd://..., nbd+unix://..., ddsnap:SERVER (origin) or ddsnap:SERVER#TAG (snapshot)";
inline constexpr const char* kSnapstoreHelp = "Device or file for saved chunks and metadata";
inline constexpr const char* kOriginHelp = "The volume to protect; its content stays as it is";
inline constexpr const char* kMetadataHelp =
    "Device or file for the metadata alone, e.g. on faster storage";
inline constexpr const char* kVolumeHelp = "The volume's name: its configuration is DIR/NAME.conf";
inline constexpr const char* kConfigHelp = "Folder of the configurations (default /etc/ddsnap)";
inline constexpr const char* kControlHelp = "Socket of the agent";

}  // namespace ddsnap
