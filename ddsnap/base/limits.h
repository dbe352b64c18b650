// Every maximum of the project, in one place. A limit that is reached is an error with a sentence,
// never an assertion (T7).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ddsnap {

// Names
inline constexpr std::size_t kMaxTagBytes = 63;
inline constexpr std::size_t kMaxSocketPathBytes = 107;  // sun_path less its terminator
inline constexpr std::size_t kMaxPathBytes = 1024;       // of devices, as told over the socket

// Store
inline constexpr std::uint32_t kMaxSnapshots = 65536;        // live ones
inline constexpr std::uint32_t kMaxBoundaries = 131072;      // snapshots and bookmarks
inline constexpr std::uint32_t kMaxAttachments = 16384;      // durable ones
inline constexpr std::uint32_t kMaxBatchChunks = 256;        // copied out under one flush
inline constexpr std::size_t kBatchBufferBytes = 8u << 20;   // preallocated for a batch's chunks
inline constexpr std::size_t kMaxRecordBytes = 64u << 10;    // one journal record
inline constexpr std::size_t kDefaultCacheBytes = 8u << 20;  // metadata blocks kept in memory (-k)

// Protocol
inline constexpr std::size_t kMaxMessageBytes = 64u << 10;  // header included
inline constexpr std::uint32_t kMaxRangesPerMessage = 1024;
inline constexpr std::uint32_t kMaxChunksPerQuestion = 65536;
inline constexpr std::uint32_t kMaxChunksPerAnswer = 1024;  // LOCATED entries in one message
inline constexpr std::uint32_t kMaxConnections = 20000;
inline constexpr std::size_t kMaxOutputBytes = 1u
                                               << 20;  // queued for one connection before it is cut
inline constexpr std::uint32_t kMaxMessagesPerTurn =
    64;  // taken from one connection in one turn of the loop
inline constexpr std::uint64_t kPatience_ms =
    10'000;  // for the rest of a half-sent message, for HELLO
inline constexpr std::uint64_t kBarrierDeadline_ms = 30'000;

}  // namespace ddsnap
